// Feeds bytes to the readers of GitLab's answers. Built by hand:
//
//   clang++-19 -std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined -I. \
//     tests/fuzz/payload_fuzz.cpp actors/coordinator/{codec,payload_reader}.cpp
//     \ -o /tmp/payload-fuzz && /tmp/payload-fuzz -max_total_time=60

#include "actors/coordinator/codec.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view body{reinterpret_cast<const char*>(data), size};
  auto job = muster::parse_job(body);
  if (job ? job->id <= 0 || job->token.empty() : job.error().text.empty())
    std::abort();
  muster::parse_identity(body);
  if (muster::parse_error(body).size() > 300)
    std::abort();
  return 0;
}
