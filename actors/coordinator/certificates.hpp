#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

struct evp_pkey_st;   // OpenSSL's EVP_PKEY
struct ssl_ctx_st;    // SSL_CTX
struct x509_st;       // X509
struct x509_store_st; // X509_STORE

namespace muster {

/// Files with certificates, all of them optional.
struct certificate_files {
  std::string ca;   ///< to trust, beside the system's
  std::string cert; ///< of the client; used only together with its key
  std::string key;

  bool operator==(const certificate_files&) const = default;
};

/// Fills in what is not configured: `<folder>/<host>.crt`, `.auth.crt` and
/// `.auth.key`, whether they are there or not: those that are not have no
/// effect. Of several folders the first that has the file, else the last.
/// (reference/job-api, section 1)
certificate_files find_certificates(certificate_files configured,
                                    const std::string& host,
                                    const std::vector<std::string>& folders);

/// Whom a client says it is.
struct client_identity {
  std::vector<std::shared_ptr<x509_st>> chain; ///< its own certificate first
  std::shared_ptr<evp_pkey_st> key;

  /// Returns whether OpenSSL took it.
  bool use_in(ssl_ctx_st& context) const;
};

/// The certificates that a runner's clients trust, the system's and those of a
/// file, and the one that they show. Loading them costs 20 to 30 ms and about a
/// megabyte, so all clients of a runner share one, and nothing is loaded before
/// TLS is spoken.
///
/// A file that is not there is ignored; one that is and cannot be used is, too,
/// and `warn` gets a line, once until the file changes.
class certificate_store {
public:
  certificate_store(certificate_files files,
                    std::function<void(const std::string&)> warn);
  certificate_store(std::string ca_file,
                    std::function<void(const std::string&)> warn)
    : certificate_store(certificate_files{std::move(ca_file), {}, {}},
                        std::move(warn)) {
  }

  /// Returns the certificates, loaded again when the file has changed; null if
  /// OpenSSL cannot make a store. From any thread.
  std::shared_ptr<x509_store_st> get();

  /// Returns the client's certificate, likewise; null if there is none that can
  /// be used. From any thread.
  std::shared_ptr<const client_identity> identity();

private:
  using file_time = std::filesystem::file_time_type;

  void add_file(x509_store_st& store);
  std::shared_ptr<const client_identity> load_identity();

  const certificate_files files_;
  const std::function<void(const std::string&)> warn_;
  std::mutex mutex_;
  std::shared_ptr<x509_store_st> store_;
  std::shared_ptr<const client_identity> identity_;
  file_time ca_time_{}; ///< the file's own when it was read; none: not there
  file_time cert_time_{};
  file_time key_time_{};
};

} // namespace muster
