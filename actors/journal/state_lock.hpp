#pragma once

#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <string>

namespace muster {

/// The right to use a state folder: one manager at a time. It ends with the
/// process, however that ends: nothing has to be cleaned up after a crash.
class state_lock {
public:
  /// Takes the lock `<folder>/lock`, making the folder if need be, and writes
  /// our process id into it.
  ///
  /// Errors: `not_writable`, naming folder and process if another has it.
  static result<state_lock, journal_errc> take(const std::string& folder);

  state_lock(state_lock&& other) noexcept;
  state_lock& operator=(state_lock&& other) noexcept;
  state_lock(const state_lock&) = delete;
  state_lock& operator=(const state_lock&) = delete;

  /// Gives the lock back.
  ~state_lock();

private:
  explicit state_lock(int file);

  int file_ = -1;
};

} // namespace muster
