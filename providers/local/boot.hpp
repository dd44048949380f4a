#pragma once

#include "providers/local/host.hpp"
#include "providers/local/launch.hpp"
#include "providers/local/options.hpp"
#include "providers/local/ports.hpp"
#include "providers/local/record.hpp"

#include <string>

namespace muster::local {

struct boot_request {
  std::string id;
  std::string folder;    ///< of the instance; must not be there yet
  std::string state_dir; ///< of the manager
};

/// An instance that was begun, by this manager or an earlier one.
struct boot {
  instance_record record;
  unique_fd status;   ///< open while it is not known that sshd was started
  unique_fd reserved; ///< keeps the port from others until sshd has it
  int tries = 1;      ///< to find a port
};

/// `NAME=VALUE` in the environment of an instance's processes.
std::string mark_of(const std::string& id);

/// Makes an instance's folder, keys and files, and starts its first process.
/// `what.record.created_ms` counts from now unless it is set.
///
/// Errors: `call_failed`; the folder may be there then.
result<void, provider_errc> begin_boot(const boot_request& request,
                                       const machine& here,
                                       const options& settings, boot& what);

} // namespace muster::local
