#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace muster::gitlab {

/// What a fault is aimed at.
enum class endpoint : uint8_t {
  request,     ///< POST jobs/request
  update,      ///< PUT jobs/:id
  trace,       ///< PATCH jobs/:id/trace
  verify,      ///< POST runners/verify
  unregister,  ///< DELETE runners, runners/managers
  reset_token, ///< POST runners/reset_authentication_token
  git,         ///< smart HTTP
  upload,      ///< POST jobs/:id/artifacts
  download,    ///< GET jobs/:id/artifacts
  storage,     ///< where a download was sent on to
  other,       ///< anything else below the API
};

std::string_view to_string(endpoint x);

enum class fault_kind : uint8_t {
  latency,  ///< the answer comes `latency` later
  status,   ///< answered with `status` instead of being acted on
  garbage,  ///< a success whose JSON is none; not acted on
  half,     ///< a Content-Length larger than what follows; not acted on
  empty,    ///< a success without a body; not acted on
  reset,    ///< connection reset before acting
  close,    ///< connection closed without a byte, before acting
  lost,     ///< acted on, then the connection is reset
  interval, ///< acted on; the answer names a trace update interval
};

std::string_view to_string(fault_kind x);

/// A rule that makes requests fail.
struct fault {
  int64_t id = 0;             ///< given by `fault_list::add`
  std::optional<endpoint> at; ///< none: every endpoint
  fault_kind kind = fault_kind::status;
  int64_t count = -1;     ///< requests still to hit; -1: no end
  double probability = 1; ///< [0..1]
  uint64_t seed = 1;      ///< of the dice for `probability`
  int64_t skip = 0;       ///< matching requests to let pass first
  int64_t job = 0;        ///< only requests of that job; 0: all
  std::string state;      ///< updates only: `running` or `final`; or any
  int64_t expires_us = 0; ///< Unix time of its end [µs]; 0: none
  std::chrono::milliseconds latency{0};
  int status = 500;
  int retry_after = 0; ///< header of a `status` fault [s]; 0: none
  int interval = 0;    ///< of an `interval` fault [s]
  /// Where a `status` fault of 3xx sends the client: a URL, `other` for the
  /// same path at the server's other host, empty for the same URL again.
  std::string location{};
  /// An upload is answered by a `status` fault before its body was read.
  bool early = false;
  uint64_t hits = 0; ///< how often it struck
};

/// Makes a fault from the words of the control API and the command line.
/// Returns nothing for an unknown word.
std::optional<fault_kind> fault_kind_of(std::string_view word);
/// `any` is no endpoint: the caller leaves `fault::at` unset for it.
std::optional<endpoint> endpoint_of(std::string_view word);

/// A request as faults see it.
struct fault_subject {
  endpoint at = endpoint::other;
  int64_t job = 0;
  std::string_view state; ///< of an update: `running`, `success`, `failed`
};

/// What is to go wrong with one request: the latencies of all rules that match,
/// and the first rule that does something else.
struct fault_effect {
  std::chrono::milliseconds latency{0};
  std::optional<fault> other;
};

/// The faults in force, in the order in which they were added.
class fault_list {
public:
  /// Returns the id of the new rule.
  int64_t add(fault rule);

  /// Decides about one request, and counts it.
  fault_effect decide(const fault_subject& what, int64_t at_us);

  /// Takes a hit back: the rule met a request that it was not meant for.
  void take_back(int64_t id);

  std::vector<fault> list() const;
  /// Removes one, or all with 0. Returns how many there were.
  size_t remove(int64_t id);

private:
  struct entry {
    fault rule;
    std::mt19937_64 dice;
  };

  mutable std::mutex mutex_;
  std::vector<entry> entries_;
  int64_t last_id_ = 0;
};

} // namespace muster::gitlab
