#pragma once

#include "messages/connect_info.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <sys/types.h>
#include <vector>

namespace muster::test {

struct sshd_options {
  std::string host_key_type = "ed25519"; ///< as for ssh-keygen -t
  std::string user_key_type = "ed25519"; ///< arguments for ssh-keygen after -t
  std::vector<std::string> config = {};  ///< lines for sshd_config, taken first
  std::string address = "127.0.0.1";     ///< of loopback, IPv4 or IPv6
  /// The user's password, as far as this sshd knows: it has an /etc/shadow of
  /// its own, which takes root. Empty: none.
  std::string password = {};
  std::string pam = {}; ///< its own /etc/pam.d/sshd; empty: the system's
};

/// A private sshd on loopback with its own host key, user key and home, for the
/// user that runs the test. Everything is below one temporary folder. Failures
/// to set it up throw std::runtime_error: the test cannot go on.
class sshd {
public:
  explicit sshd(const sshd_options& options = {});

  /// Stops it and removes the folder.
  ~sshd();

  sshd(const sshd&) = delete;
  sshd& operator=(const sshd&) = delete;

  /// Starts it on the same port; returns when it accepts connections.
  void start();

  /// Kills it with all its connections and whatever runs in them.
  void stop();

  /// Nobody gets in until it is started again; what runs there goes on.
  void halt();

  /// Breaks the connections that there are; what runs in them goes on if it
  /// can.
  void drop_connections();

  /// Stops it and its connections from running, and lets them go on.
  void freeze();
  void thaw();

  /// Lets a further key in, given as in a .pub file.
  void authorize(const std::string& public_key);

  pid_t pid() const {
    return pid_;
  }

  uint16_t port() const {
    return port_;
  }

  /// HOME of the commands; they start in the user's login folder all the same.
  std::filesystem::path home() const {
    return folder_ / "home";
  }

  /// The file of the private key.
  std::filesystem::path key_file() const {
    return folder_ / "user_key";
  }

  /// Another host key from the next start on, as if it was installed anew.
  void replace_host_key();

  std::string user() const;
  std::string
  user_key() const; ///< private, OpenSSH format unless asked otherwise
  std::string host_key() const; ///< `TYPE BASE64`
  std::string log() const;

  /// How to reach it; the host key is not pinned.
  connect_info target() const;

private:
  void signal_all(int number);
  std::vector<pid_t> processes() const;

  std::filesystem::path folder_;
  sshd_options options_;
  uint16_t port_ = 0;
  pid_t pid_ = -1;
};

/// Whether an address of loopback is there: IPv6 may be switched off.
bool has_address(const std::string& address);

/// A port of loopback on which nobody listens just now.
uint16_t free_port();

/// All processes below `root`, deepest last, without `root`.
std::vector<pid_t> descendants(pid_t root);

/// All processes that have `NAME=value` in their environment.
std::vector<pid_t> processes_with(const std::string& variable);

/// A new folder below the system's temporary one.
std::filesystem::path make_temp_folder(const std::string& prefix);

/// The whole file, empty if it cannot be read.
std::string read_text(const std::filesystem::path& file);

/// Runs a shell command; throws std::runtime_error unless it succeeds.
void run_command(const std::string& command);

} // namespace muster::test
