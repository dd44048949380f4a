#pragma once

#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <string>
#include <utility>

namespace muster::fleeting {

/// A folder of mode 0700 for one plugin's socket; goes with this object.
class socket_folder {
public:
  /// Makes one below `state_dir`, or where its path would be too long for a
  /// socket, in /tmp; removes what managers that were killed have left there.
  /// With an empty `state_dir` it is in /tmp, beside others' (`muster check`).
  ///
  /// Errors: `not_available`.
  static result<socket_folder, provider_errc>
  make(const std::string& state_dir);

  socket_folder(socket_folder&& other) noexcept
    : path_(std::exchange(other.path_, {})) {
  }
  socket_folder& operator=(socket_folder&& other) noexcept;
  ~socket_folder();

  const std::string& path() const {
    return path_;
  }

private:
  explicit socket_folder(std::string path) : path_(std::move(path)) {
  }

  std::string path_; ///< empty: there is none any more
};

/// Removes a socket of ours that a plugin has made elsewhere: older ones do not
/// know the variable for the folder.
void remove_socket(const std::string& path);

} // namespace muster::fleeting
