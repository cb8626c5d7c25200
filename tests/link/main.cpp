// SPDX-License-Identifier: BSL-1.0
//
// Translation units that include everything, with and without CONCUR_CHECKED and CONCUR_IO_URING, are one program.
int one();
int two();
int checked();
int unchecked();
[[gnu::weak]] int on_io_uring();  // only where there is liburing

int main() {
  int const other = on_io_uring != nullptr ? on_io_uring() : 1;
  return one() + two() + checked() + unchecked() + other == 5 ? 0 : 1;
}
