#pragma once

#include <memory>
#include <string>
#include <vector>

namespace muster::test {

/// Serves files over HTTP on loopback to who knows user and password, which is
/// enough for git to fetch. While it answers, it looks at the arguments of all
/// processes of this machine.
class dumb_git_server {
public:
  /// @param tls_folder where `cert.pem` and `key.pem` are; empty: plain HTTP
  dumb_git_server(const std::string& folder, const std::string& user,
                  const std::string& password,
                  const std::string& tls_folder = {});
  ~dumb_git_server();
  dumb_git_server(const dumb_git_server&) = delete;
  dumb_git_server& operator=(const dumb_git_server&) = delete;

  /// `127.0.0.1:PORT`
  std::string host() const;

  int requests_served() const;

  /// Arguments seen that contain the password.
  std::vector<std::string> leaks() const;

  /// Values seen of the header X-Gitaly-Correlation-ID.
  std::vector<std::string> correlation_ids() const;

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace muster::test
