#pragma once

#include "executors/docker/engine.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace muster::docker {

/// Whether the Engine has an image of that name. Errors: any but `not_found`.
engine_result<bool> has_image(const engine& at, const std::string& name);

/// Gives the Engine what `docker save` wrote, and the image in it a further
/// name: `repository:tag`. Errors: any; `bad_answer`: no image was in it.
engine_result<void>
load_image(const engine& at, const std::string& name,
           const std::function<int64_t(char*, size_t)>& archive);

/// Is the hidden command `container-image`, by which a manager gives an
/// instance's Engine a helper image: with `--name` and maybe `--host` it ends
/// with 0 if the image is there and with 3 if not; with `--load`, too, it loads
/// the archive on standard input. A fault is told on stderr and ends it with 1.
/// @return nothing if the arguments are no such command
std::optional<int> run_image_command(const std::vector<std::string>& arguments);

} // namespace muster::docker
