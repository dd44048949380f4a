#pragma once

#include "executors/docker/engine.hpp"

#include <string>
#include <sys/types.h>
#include <vector>

namespace muster::test {

/// Whether this machine can run a Docker Engine of a test's own.
bool can_run_engine();

/// A Docker Engine of our own: in namespaces, with its own data, network and
/// socket. It and all of its containers end with this object, or this process.
class engine_host {
public:
  struct options {
    int data_mib = 0; ///< all that its images and containers may take; 0: any
    /// Containers go on without it (`live-restore`).
    bool keeps_containers = false;
    /// Told nothing of its network, as after its installation.
    bool has_own_network = false;
  };

  explicit engine_host(options how);
  engine_host() : engine_host(options{}) {
  }
  engine_host(const engine_host&) = delete;
  engine_host& operator=(const engine_host&) = delete;
  ~engine_host();

  /// The one that tests share which do not stop theirs.
  static engine_host& shared();

  void start();

  /// Ends it at once, with all containers.
  void stop();

  /// Ends the Engine's program alone, with this signal, and waits for the next
  /// one, which is started at once.
  void restart(int signal);

  /// The process that has its namespaces.
  pid_t pid() const {
    return pid_;
  }

  std::string address() const {
    return "unix://" + socket();
  }

  std::string socket() const {
    return folder_ + "/run/docker.sock";
  }

  /// Path of its network namespace: its containers reach this machine only
  /// from in there.
  std::string network() const {
    return "/proc/" + std::to_string(pid_) + "/ns/net";
  }

  docker::engine api() const;

  /// Makes an image of busybox, bash and GitLab Runner's helper commands.
  /// @param changes as in a Dockerfile: `EXPOSE 80`
  void import_image(const std::string& name,
                    const std::vector<std::string>& changes = {});

  /// Makes an image of one file, `/app`, which is no shell.
  void import_bare_image(const std::string& name);

  /// Makes an image of a folder.
  void import_folder(const std::string& folder, const std::string& name,
                     const std::vector<std::string>& changes);

  /// The folder that `import_image` takes.
  std::string rootfs();

  /// Returns the calls that the Engine has had since the last call of this:
  /// `POST /v1.41/containers/create`.
  std::vector<std::string> calls();

  /// Returns ids of all containers; names of volumes and of networks.
  std::vector<std::string> containers() const;
  std::vector<std::string> volumes() const;
  std::vector<std::string> networks() const;

private:
  pid_t daemon() const;

  options how_;
  std::string folder_;
  std::string name_;
  pid_t pid_ = -1;
  size_t log_read_ = 0;
};

} // namespace muster::test
