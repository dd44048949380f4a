#pragma once

#include "executors/helper/http/url.hpp"
#include "executors/helper/unique_fd.hpp"
#include "messages/result.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

using SSL = struct ssl_st;
using SSL_CTX = struct ssl_ctx_st;

namespace muster::helper {

using deadline = std::chrono::steady_clock::time_point;

/// What a caller can do about a transfer that got no answer.
enum class transfer_errc : uint8_t {
  no_answer = 1, ///< network, TLS, time-out, an answer that is none: try again
  hopeless,      ///< settings or this machine: trying again is no use
};

struct tls_settings {
  std::string ca_file;   ///< added to the system's; missing: ignored
  std::string cert_file; ///< of the client; used only with `key_file`
  std::string key_file;

  /// What helps if a server is not trusted.
  std::string advice
    = "set tls-ca-file in config.toml if it has an authority of its own";
};

/// Trusted certificates and our own, read once for all connections.
class tls_context {
public:
  /// Errors: `hopeless`: a file is there and cannot be used.
  static result<tls_context, transfer_errc> make(const tls_settings& from);

  SSL_CTX* get() const {
    return context_.get();
  }

  const std::string& advice() const {
    return advice_;
  }

private:
  std::shared_ptr<SSL_CTX> context_;
  std::string advice_;
};

struct dial_options {
  std::chrono::milliseconds connect{30'000};
  std::chrono::milliseconds handshake{10'000};
  variable_lookup variable; ///< of the environment, for proxies
};

/// A stream of bytes to a server, with TLS or without. Reads and writes wait
/// until their deadline.
class connection_to {
public:
  /// Connects to the URL's host or to its proxy.
  /// @param tls needed for HTTPS only
  static result<connection_to, transfer_errc> dial(const url& to,
                                                   const tls_context* tls,
                                                   const dial_options& options,
                                                   deadline until);

  /// Returns how many bytes came; 0 is the end.
  result<size_t, transfer_errc> read(char* to, size_t size, deadline until);

  result<void, transfer_errc> write(std::string_view bytes, deadline until);

  /// Returns whether the peer has sent something, or hung up.
  bool has_input();

  /// Whether requests name the whole URL: there is a proxy without a tunnel.
  bool through_proxy() const {
    return !proxy_authorization_.empty() || plain_proxy_;
  }

  /// The value of Proxy-Authorization for requests, empty if there is none.
  const std::string& proxy_authorization() const {
    return proxy_authorization_;
  }

private:
  struct ssl_deleter {
    void operator()(SSL* ssl) const;
  };

  result<void, transfer_errc> start_tls(const url& to, const tls_context& tls,
                                        deadline until);
  result<void, transfer_errc>
  tunnel(const url& to, const std::string& authorization, deadline until);
  result<void, transfer_errc> wait(short events, deadline until) const;
  result<void, transfer_errc> wait_for_room(deadline until);
  result<void, transfer_errc> wait_tls(int state, deadline until,
                                       const char* doing);

  unique_fd fd_;
  std::unique_ptr<SSL, ssl_deleter> ssl_;
  std::string peer_; ///< for texts: `gitlab.com:443`
  std::string proxy_authorization_;
  bool plain_proxy_ = false;
};

} // namespace muster::helper
