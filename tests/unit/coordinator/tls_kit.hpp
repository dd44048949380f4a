#pragma once

#include "tests/unit/coordinator/servers.hpp"

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <openssl/ssl.h>
#include <string>
#include <vector>

/// What a test certificate says.
struct certificate_wish {
  std::string names = "IP:127.0.0.1,DNS:localhost"; ///< of the subject
  long ends_in = 3600;                              ///< [s]; below 0: it has
  bool is_client = false;
};

/// A certificate and its key, as PEM files that go with it.
class test_certificate {
public:
  /// Signed by `by`, or by itself.
  explicit test_certificate(const certificate_wish& wish = {},
                            const test_certificate* by = nullptr);
  ~test_certificate();
  test_certificate(const test_certificate&) = delete;
  test_certificate& operator=(const test_certificate&) = delete;

  std::string cert_file() const;
  std::string key_file() const;
  X509* cert() const {
    return cert_.get();
  }
  EVP_PKEY* key() const {
    return key_.get();
  }

private:
  std::shared_ptr<X509> cert_;
  std::shared_ptr<EVP_PKEY> key_;
  std::string folder_;
};

struct https_settings {
  const test_certificate* wants_clients_of = nullptr;
  int version_max = 0; ///< of TLS; 0: the newest
};

/// An HTTPS server; answers 200 to every PUT.
class https_server {
public:
  explicit https_server(const test_certificate& as, https_settings how = {});
  ~https_server();

  /// With 127.0.0.1.
  std::string url() const;
  int port() const {
    return port_;
  }
  /// The name of the client of the last request; empty if it showed none.
  std::string client() const;

private:
  std::unique_ptr<httplib::SSLServer> http_;
  int port_ = 0;
  std::thread thread_;
  mutable std::mutex mutex_;
  std::string client_;
};

/// Answers the first request of each connection with 200 and then ends the
/// connection in order, which the answer does not announce.
class ending_server : public listener {
public:
  /// Without TLS, if `as` is not given.
  explicit ending_server(const test_certificate* as = nullptr);
  ~ending_server();

  std::string url() const;
  /// Until it has ended so many connections.
  void wait_for_end(int count);

private:
  void serve(int connection);

  std::shared_ptr<SSL_CTX> context_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int ended_ = 0;
  std::thread thread_;
};

/// A proxy for CONNECT, to ports of this host, whatever host is named.
class connect_proxy : public listener {
public:
  /// `answer` is its first line: nothing is connected unless that has a 200.
  explicit connect_proxy(std::string answer = "HTTP/1.1 200 OK");
  ~connect_proxy();

  /// The heads of all requests.
  std::vector<std::string> heads() const;

private:
  void serve(int connection);

  const std::string answer_;
  mutable std::mutex mutex_;
  std::vector<std::string> heads_;
  std::vector<int> open_;
  std::vector<std::thread> relays_;
  std::thread thread_;
};
