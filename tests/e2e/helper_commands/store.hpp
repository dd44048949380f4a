#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <httplib.h>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace muster::test {

/// A request that a store has got.
struct seen_request {
  std::string method;
  std::string path; ///< with its query
  httplib::Headers headers;
  std::string body;
  std::string file_name; ///< of a form's file
  uint64_t body_bytes = 0;

  std::string header(const std::string& name) const;
};

/// A GitLab and an object storage in one: HTTP on loopback, with TLS if given a
/// certificate.
class store {
public:
  struct tls_files {
    std::string certificate;
    std::string key;
    std::string client_authority; ///< empty: no client certificates
  };

  store();
  explicit store(const tls_files& files);
  store(const store&) = delete;
  store& operator=(const store&) = delete;
  ~store();

  std::string url() const;

  int port() const {
    return port_;
  }

  /// Called for each request, from one thread at a time; fills the answer. The
  /// body of an upload has been read.
  using handler = std::function<void(const seen_request&, httplib::Response&)>;
  void on_request(handler what);

  /// Answers these statuses, one after the other; then as before.
  void fail_first(std::vector<int> statuses);

  /// Uploads are counted only, not kept.
  void count_only() {
    count_only_ = true;
  }

  std::vector<seen_request> seen() const;

private:
  void serve();
  void answer(seen_request request, httplib::Response& to);

  std::unique_ptr<httplib::Server> server_;
  bool tls_ = false;
  int port_ = 0;
  std::thread thread_;
  mutable std::mutex mutex_;
  handler handler_;
  std::vector<int> failures_;
  std::vector<seen_request> seen_;
  std::atomic<bool> count_only_ = false;
};

} // namespace muster::test
