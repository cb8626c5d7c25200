// SPDX-License-Identifier: BSL-1.0
//
// Fibers: the explored threads are stacks that take turns on the caller's thread. The switch is a few instructions
// of our own (getcontext makes a system call, longjmp between stacks aborts under _FORTIFY_SOURCE). Each switch also
// exchanges the thread's exception globals, without which `throw;` on one stack rethrows another's exception, and
// tells the sanitizers. This is the only file of the engine with processor- or sanitizer-specific code.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <cxxabi.h>
#include <new>
#include <sys/mman.h>
#include <vector>

namespace concur::testing::engine {

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool address_sanitizer = true;
#elif defined(__has_feature)
inline constexpr bool address_sanitizer = __has_feature(address_sanitizer);
#else
inline constexpr bool address_sanitizer = false;
#endif

#if defined(__SANITIZE_THREAD__)
inline constexpr bool thread_sanitizer = true;
#elif defined(__has_feature)
inline constexpr bool thread_sanitizer = __has_feature(thread_sanitizer);
#else
inline constexpr bool thread_sanitizer = false;
#endif

}  // namespace concur::testing::engine

// From the sanitizers' interface headers, which not every compiler installs. Called only where they are linked.
extern "C" {
void __sanitizer_start_switch_fiber(void** fake_stack_save, void const* bottom, std::size_t size);
void __sanitizer_finish_switch_fiber(void* fake_stack_save, void const** bottom_old, std::size_t* size_old);
void __asan_unpoison_memory_region(void const volatile* address, std::size_t size);
void* __asan_get_current_fake_stack();
void* __asan_addr_is_in_fake_stack(void* fake_stack, void* address, void** begin, void** end);
void* __tsan_get_current_fiber();
void* __tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void* fiber);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
}

// Saves the callee-saved registers on the present stack and the stack pointer in *save, then takes up `load`.
extern "C" void concur_engine_switch(void** save, void* load);

// A comdat section: every translation unit defines it, the linker keeps one.
#if defined(__x86_64__)
asm(R"(
  .pushsection .text.concur_engine_switch,"axG",@progbits,concur_engine_switch,comdat
  .weak concur_engine_switch
  .hidden concur_engine_switch
  .type concur_engine_switch,@function
concur_engine_switch:
  endbr64
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size concur_engine_switch,.-concur_engine_switch
  .popsection
)");
#elif defined(__aarch64__)
asm(R"(
  .pushsection .text.concur_engine_switch,"axG",@progbits,concur_engine_switch,comdat
  .weak concur_engine_switch
  .hidden concur_engine_switch
  .type concur_engine_switch,@function
  .balign 4
concur_engine_switch:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
  .size concur_engine_switch,.-concur_engine_switch
  .popsection
)");
#else
#error "the explorer's engine knows the stack switch of x86-64 and AArch64 only"
#endif

namespace concur::testing::engine {

/// One stack that can be switched to: a fiber, or the caller's own thread.
class context {
 public:
  context() = default;
  context(context const&) = delete;
  context& operator=(context const&) = delete;
  ~context();

  /// Makes the next switch to this context call `entry`, which must not return. What the stack held is abandoned.
  void prepare(void (*entry)());

  /// Leaves `this`, which runs, for `next`.
  void switch_to(context& next);

  /// To be called first thing in `entry`.
  static void arrived();

  /// After an execution was given up: forgets what stands on this stack. Called from `home`, which runs.
  void abandon(context& home);

  bool prepared() const noexcept { return stack_pointer_ != nullptr; }

 private:
  static constexpr std::size_t stack_size = 256 * 1024;

  // The layout the C++ ABI prescribes for what __cxa_get_globals returns.
  struct exception_globals {
    void* caught = nullptr;
    unsigned int uncaught = 0;
  };

  static exception_globals& globals() noexcept {
    static thread_local auto* const mine = reinterpret_cast<exception_globals*>(abi::__cxa_get_globals());
    return *mine;
  }

  static void learn_departed(void* fake_stack);
  void keep_reachable();

  void* stack_pointer_ = nullptr;
  exception_globals exceptions_{};
  char* stack_ = nullptr;
  // For the sanitizers only.
  void const* bottom_ = nullptr;
  std::size_t size_ = 0;
  void* fake_stack_ = nullptr;
  void* tsan_fiber_ = nullptr;

  static inline constinit thread_local context* departed = nullptr;
  static inline constinit thread_local context* undertaker = nullptr;  // set while an abandoned stack is closed
};

inline context::~context() {
  if constexpr (thread_sanitizer) {
    if (stack_ != nullptr && tsan_fiber_ != nullptr) __tsan_destroy_fiber(tsan_fiber_);
  }
  if (stack_ != nullptr) munmap(stack_, stack_size);
}

inline void context::prepare(void (*entry)()) {
  if (stack_ == nullptr) {
    int const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK;
    void* const memory = mmap(nullptr, stack_size, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    stack_ = static_cast<char*>(memory);
    mprotect(stack_, 4096, PROT_NONE);  // an overflow faults instead of corrupting
    bottom_ = stack_;
    size_ = stack_size;
  }
  exceptions_ = {};
  void** const top = reinterpret_cast<void**>(stack_ + stack_size);
#if defined(__x86_64__)
  void** const frame = top - 8;  // six registers, the address to go to, and a null return address for `entry`
  std::memset(static_cast<void*>(frame), 0, 8 * sizeof(void*));
  frame[6] = reinterpret_cast<void*>(entry);
#else
  void** const frame = top - 20;  // twenty registers; the link register is the twelfth
  std::memset(static_cast<void*>(frame), 0, 20 * sizeof(void*));
  frame[11] = reinterpret_cast<void*>(entry);
#endif
  stack_pointer_ = frame;
  if constexpr (thread_sanitizer) {
    if (tsan_fiber_ != nullptr) __tsan_destroy_fiber(tsan_fiber_);
    tsan_fiber_ = __tsan_create_fiber(0);
  }
}

inline void context::switch_to(context& next) {
  exceptions_ = globals();
  globals() = next.exceptions_;
  if constexpr (address_sanitizer) {
    departed = this;
    __sanitizer_start_switch_fiber(&fake_stack_, next.bottom_, next.size_);
  }
  if constexpr (thread_sanitizer) {
    if (tsan_fiber_ == nullptr) tsan_fiber_ = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(next.tsan_fiber_, 0);
  }
  concur_engine_switch(&stack_pointer_, next.stack_pointer_);
  if constexpr (address_sanitizer) {
    learn_departed(fake_stack_);
    if (undertaker != nullptr && undertaker != this) {
      keep_reachable();
      globals() = undertaker->exceptions_;
      // Null: this stack will not be taken up again, its fake frames are freed.
      __sanitizer_start_switch_fiber(nullptr, undertaker->bottom_, undertaker->size_);
      concur_engine_switch(&stack_pointer_, undertaker->stack_pointer_);
    }
  }
}

inline void context::arrived() {
  if constexpr (address_sanitizer) learn_departed(nullptr);
}

// The sanitizer is told where the next stack lies, and only it knows where the caller's own stack does.
inline void context::learn_departed(void* fake_stack) {
  void const* bottom = nullptr;
  std::size_t size = 0;
  __sanitizer_finish_switch_fiber(fake_stack, &bottom, &size);
  if (bottom == nullptr) return;
  departed->bottom_ = bottom;
  departed->size_ = size;
}

inline void context::abandon([[maybe_unused]] context& home) {
  if constexpr (address_sanitizer) {
    undertaker = &home;
    home.switch_to(*this);
    undertaker = nullptr;
    __asan_unpoison_memory_region(stack_ + 4096, stack_size - 4096);
  }
  stack_pointer_ = nullptr;
}

// Objects held by an abandoned stack are never freed, and the leak checker would blame the user for them. It scans
// live memory for pointers, so a copy of the words on the stack (and of its fake frames) keeps it quiet.
[[gnu::no_sanitize_address, gnu::noinline]] inline void context::keep_reachable() {
  static auto& graveyard = *new std::vector<std::vector<void*>>;
  std::vector<void*> words{exceptions_.caught};
  void* const fake = __asan_get_current_fake_stack();
  void** const end = reinterpret_cast<void**>(stack_ + stack_size);
  for (void** word = static_cast<void**>(__builtin_frame_address(0)); word < end; ++word) {
    void* const value = *static_cast<void* volatile*>(word);
    words.push_back(value);
    void* first = nullptr;
    void* last = nullptr;
    if (fake == nullptr || __asan_addr_is_in_fake_stack(fake, value, &first, &last) == nullptr) continue;
    for (void** inner = static_cast<void**>(first); inner + 1 <= static_cast<void**>(last); ++inner) {
      void* const held = *static_cast<void* volatile*>(inner);
      words.push_back(held);
    }
  }
  graveyard.push_back(std::move(words));
}

}  // namespace concur::testing::engine
