#pragma once

#include <string>
#include <sys/types.h>

namespace muster::test {

/// A real server that speaks S3 on loopback and checks signatures: OpenStack
/// Swift, see tests/support/s3-server. It has one bucket, `cache`. Ends with
/// the object.
class s3_server {
public:
  explicit s3_server(const std::string& folder);
  ~s3_server();
  s3_server(const s3_server&) = delete;
  s3_server& operator=(const s3_server&) = delete;

  /// Ends it before.
  void stop();

  /// `127.0.0.1:PORT`
  const std::string& address() const {
    return address_;
  }

  static constexpr auto access_key = "ci:muster";
  static constexpr auto secret_key = "the-key-of-the-store";
  static constexpr auto bucket = "cache";

private:
  std::string address_;
  pid_t pid_ = -1;
  int in_ = -1;
};

} // namespace muster::test
