#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace muster::bench {

/// A call that an Engine has had.
struct engine_call {
  int64_t at_us = 0; ///< Unix time
  std::string what;  ///< `POST /v1.41/containers/create`
};

/// Reads the log of an Engine (`dockerd --debug`): its calls, in order. Pure.
std::vector<engine_call> calls_in_log(std::string_view log);

} // namespace muster::bench
