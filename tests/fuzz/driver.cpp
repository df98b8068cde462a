// libFuzzer's entry points, the same for every target.
#include "tests/fuzz/fuzz.h"

// A finding of the undefined behaviour sanitizer is a finding, also when played again by hand.
extern "C" const char* __ubsan_default_options() { return "halt_on_error=1:print_stacktrace=1"; }

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  p2pmail::fuzz::make_deterministic();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  p2pmail::fuzz::reseed(1);
  p2pmail::fuzz::target({data, size});
  return 0;
}
