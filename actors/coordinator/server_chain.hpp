#pragma once

#include <string>

struct ssl_ctx_st;

namespace muster {

/// The certificates that the last connection's server was trusted by. A job's
/// tools may know none of their issuers, and are given them.
///
/// Lives at least as long as the context that it watches; one thread.
class server_chain {
public:
  server_chain() = default;
  server_chain(const server_chain&) = delete;
  server_chain& operator=(const server_chain&) = delete;

  /// Notes the chain of each connection made with this context.
  void watch(ssl_ctx_st* context);

  /// The server's own certificate first, the root last. Empty without TLS.
  const std::string& pem() const {
    return pem_;
  }

private:
  std::string pem_;
};

/// Returns the text of a file that a job's tools may need, at most 1 MiB; empty
/// if it cannot be read.
std::string read_pem_file(const std::string& path);

} // namespace muster
