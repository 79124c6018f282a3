// For fuzzers that link LLVM and protobuf, whose archives are not instrumented: memory that their allocators mark as
// unused, from code inlined into ours, would never be marked as used again by the code that they hold themselves. What
// is checked is every access by our code to memory of malloc, to the stack and to globals.
extern "C" const char *__asan_default_options() { return "allow_user_poisoning=0:detect_container_overflow=0"; }
