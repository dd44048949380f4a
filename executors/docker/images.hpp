#pragma once

#include "executors/docker/engine.hpp"
#include "executors/docker/outcome.hpp"
#include "messages/containers.hpp"

#include <set>
#include <string>
#include <vector>

namespace muster::docker {

/// An image that the Engine has.
struct local_image {
  std::string id;
  std::string digest;   ///< the first of its digests; may be empty
  std::string platform; ///< as the Engine's create call takes it
  std::vector<std::string> environment; ///< `NAME=value`
  std::vector<std::string> ports;       ///< exposed: `5432/tcp`
  bool has_entrypoint = false;

  /// What a container is made from.
  const std::string& reference() const {
    return digest.empty() ? id : digest;
  }
};

/// What a name says: `registry:5000/group/image:tag@sha256:...`.
struct image_name {
  std::string repository;
  std::string tag; ///< or digest; `latest` if the name has neither
};

image_name parse_image_name(const std::string& text);

/// How the job ends by what an Engine says about a pull.
plan_outcome pull_failure(const std::string& text);

struct image_pace {
  int tries = 3; ///< of a pull
  std::chrono::milliseconds pause_min{2'000};
  std::chrono::milliseconds pause_max{10'000};
  std::chrono::milliseconds told_every{10'000}; ///< of a slow pull
};

/// Gets images as their policies say and tells so in the job's log.
class image_source {
public:
  explicit image_source(const engine& at, image_pace pace = {})
    : engine_(at),
      pace_(pace) {
  }

  /// Errors: `misconfigured`, `image_missing`, `dependency_failed`, `broken`.
  job_result<local_image> get(const image_request& what) const;

private:
  engine_result<local_image> inspect(const image_request& what) const;
  job_result<local_image> get_by(pull_policy policy,
                                 const image_request& what) const;
  job_result<local_image> pull(const image_request& what) const;
  engine_result<void> pull_once(const image_request& what) const;
  void tell_used(const image_request& what, const local_image& image) const;

  const engine& engine_;
  image_pace pace_;
};

} // namespace muster::docker
