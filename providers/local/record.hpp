#pragma once

#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <sys/types.h>

namespace muster::local {

/// Which process it is, beyond its number: numbers are used again.
struct process_id {
  pid_t pid = 0;
  uint64_t start_ticks = 0; ///< field 22 of /proc/PID/stat
  std::string boot_id;      ///< of the kernel that runs it

  friend bool operator==(const process_id&, const process_id&) = default;
};

/// `instance.json` of an instance: what the next manager must know of it.
struct instance_record {
  std::string id;
  process_id process; ///< its first process: pid 1 of its namespace, or sshd
  uint16_t port = 0;
  bool isolated = false;  ///< has namespaces of its own
  int64_t created_at = 0; ///< Unix seconds, for people
  int64_t created_ms = 0; ///< since the kernel's boot: no one sets this clock

  friend bool operator==(const instance_record&, const instance_record&)
    = default;
};

std::string to_json(const instance_record& what);

/// Errors: `bad_config` if a newer muster wrote it, `call_failed` if it is
/// damaged.
result<instance_record, provider_errc> parse_record(std::string_view json);

} // namespace muster::local
