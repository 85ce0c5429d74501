// The entry point of old-glibc programs, instead of crt1.o.
//
// Stack at entry, both ABIs: argc, argv…, null, environment. glibc before 2.34
// calls the init and fini that it is handed; these programs have no
// constructors, so both are null, which every glibc accepts.

#if defined(__x86_64__)
__asm__(R"(
.text
.globl _start
.type _start, @function
_start:
  .cfi_startproc
  .cfi_undefined rip
  xorl %ebp, %ebp
  movq %rdx, %r9          # rtld_fini
  popq %rsi               # argc
  movq %rsp, %rdx         # argv
  andq $-16, %rsp
  pushq %rax              # keeps the stack aligned for the call
  pushq %rsp              # stack_end
  xorl %r8d, %r8d         # fini
  xorl %ecx, %ecx         # init
  leaq main(%rip), %rdi
  call *__libc_start_main@GOTPCREL(%rip)
  hlt
  .cfi_endproc
.size _start, . - _start
)");
#elif defined(__aarch64__)
__asm__(R"(
.text
.globl _start
.type _start, %function
_start:
  .cfi_startproc
  .cfi_undefined x30
  mov x29, #0
  mov x30, #0
  mov x5, x0              // rtld_fini
  ldr x1, [sp]            // argc
  add x2, sp, #8          // argv
  mov x6, sp              // stack_end
  mov x3, #0              // init
  mov x4, #0              // fini
  adrp x0, main
  add x0, x0, :lo12:main
  bl __libc_start_main
  brk #0
  .cfi_endproc
.size _start, . - _start
)");
#endif
