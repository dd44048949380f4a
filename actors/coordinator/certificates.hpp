#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

struct x509_store_st; // OpenSSL's X509_STORE

namespace muster {

/// The certificates that a runner's clients trust: the system's and those of
/// `tls-ca-file`. Loading them costs 20 to 30 ms and about a megabyte, so all
/// clients of a runner share one, and nothing is loaded before TLS is spoken.
class certificate_store {
public:
  /// `warn` gets a line for a file that exists and cannot be used: it is left
  /// out, as a missing one is (reference/job-api, section 1).
  certificate_store(std::string ca_file,
                    std::function<void(const std::string&)> warn);

  /// Returns the certificates, loaded again when the file is newer than they
  /// are; null if OpenSSL cannot make a store. From any thread.
  std::shared_ptr<x509_store_st> get();

private:
  void add_file(x509_store_st& store);

  const std::string ca_file_;
  const std::function<void(const std::string&)> warn_;
  std::mutex mutex_;
  std::shared_ptr<x509_store_st> store_;
  std::filesystem::file_time_type loaded_{}; ///< the file's own time
};

} // namespace muster
