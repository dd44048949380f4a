#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <sys/types.h>

namespace muster::test {

/// `sha256:...` of some bytes.
std::string digest_text(const std::string& bytes);

/// What a manifest says of some bytes.
nlohmann::json descriptor_json(const std::string& media_type,
                               const std::string& bytes);

/// Debian's docker-registry on loopback, with its storage in a folder that goes
/// with it. It ends with the thread that made it.
class registry_process {
public:
  static constexpr auto user = "runner";
  static constexpr auto password = "s3cr3t-pass";

  /// @param closed only for that user
  explicit registry_process(bool closed = false);
  ~registry_process();
  registry_process(const registry_process&) = delete;
  registry_process& operator=(const registry_process&) = delete;

  /// `127.0.0.1:PORT`
  std::string name() const;
  int port() const {
    return port_;
  }

  void push_blob(const std::string& repository, const std::string& bytes) const;

  /// @param name a tag or a digest
  void push_manifest(const std::string& repository, const std::string& name,
                     const nlohmann::json& what) const;

  /// Sends it a signal: to stand still (SIGSTOP), to go on.
  void send(int signal) const;

  /// Ends it at once.
  void stop();

private:
  std::filesystem::path path_;
  pid_t pid_ = -1;
  int port_ = 0;
};

} // namespace muster::test
