// SPDX-License-Identifier: BSL-1.0
//
// Translation units that include everything, with and without CONCUR_CHECKED, are one program.
int one();
int two();
int checked();
int unchecked();

int main() { return one() + two() + checked() + unchecked() == 4 ? 0 : 1; }
