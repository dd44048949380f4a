#pragma once

#include "actors/metrics_sink.hpp"
#include "actors/trace_shelf.hpp"
#include "executors/transport.hpp"
#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace muster {

struct job_payload;
struct plan_facts;
struct plan_result;
struct runner_config;

/// As `build_plan`.
using plan_maker = std::function<result<plan_result, job_errc>(
  const job_payload&, const runner_config&, const plan_facts&)>;

/// What deciding actors reach outside of messages: calls that return at once
/// and whose results come back as messages. Tests and simulations give their
/// own.
struct edges {
  std::shared_ptr<transport> wire;
  std::shared_ptr<trace_shelf> traces;
  std::function<int64_t()> unix_us; ///< wall clock, for people's eyes only
  std::string temp_dir;             ///< for traces that outgrow memory
  /// Who counts; by default nobody.
  std::shared_ptr<metrics_sink> metrics = std::make_shared<metrics_sink>();
  plan_maker plan = {}; ///< by default `build_plan`
};

} // namespace muster
