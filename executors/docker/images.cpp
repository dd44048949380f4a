#include "executors/docker/images.hpp"

#include "executors/docker/trace.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <random>

namespace muster::docker {

namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

/// A pull that says nothing for so long is stuck.
constexpr auto pull_silence = 15min;
constexpr size_t layers_max = 1'000; ///< counted for a slow pull's line

std::string lower(std::string text) {
  for (auto& c : text)
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

template <size_t N>
bool has_any(const std::string& text, const std::array<const char*, N>& parts) {
  return std::any_of(parts.begin(), parts.end(), [&text](const char* part) {
    return text.find(part) != std::string::npos;
  });
}

const char* name_of(pull_policy x) {
  switch (x) {
    case pull_policy::always:
      return "always";
    case pull_policy::if_not_present:
      return "if-not-present";
    case pull_policy::never:
      return "never";
  }
  return "";
}

std::string names_of(const std::vector<pull_policy>& list) {
  std::string text;
  for (auto x : list)
    text += (text.empty() ? "" : " ") + std::string{name_of(x)};
  return text;
}

std::string text_in(const json& x, const char* key) {
  auto found = x.is_object() ? x.find(key) : x.end();
  return found != x.end() && found->is_string() ? found->get<std::string>()
                                                : "";
}

/// An image by its ID cannot be pulled.
bool is_id(const std::string& name) {
  return name.compare(0, 7, "sha256:") == 0;
}

local_image image_of(const json& x) {
  local_image image;
  image.id = text_in(x, "Id");
  if (x.contains("RepoDigests") && x["RepoDigests"].is_array()
      && !x["RepoDigests"].empty() && x["RepoDigests"][0].is_string())
    image.digest = x["RepoDigests"][0].get<std::string>();
  image.platform = text_in(x, "Os") + "/" + text_in(x, "Architecture");
  if (auto variant = text_in(x, "Variant"); !variant.empty())
    image.platform += "/" + variant;
  auto config = x.value("Config", json::object());
  if (!config.is_object())
    return image;
  image.has_entrypoint = config.contains("Entrypoint")
                         && config["Entrypoint"].is_array()
                         && !config["Entrypoint"].empty();
  if (config.contains("Env") && config["Env"].is_array())
    for (const auto& entry : config["Env"])
      if (entry.is_string())
        image.environment.push_back(entry.get<std::string>());
  if (config.contains("ExposedPorts") && config["ExposedPorts"].is_object())
    for (const auto& [port, nothing] : config["ExposedPorts"].items())
      image.ports.push_back(port);
  return image;
}

/// `os/arch/variant` as the JSON that inspect takes.
std::string platform_json(const std::string& text) {
  auto slash = text.find('/');
  json x{{"os", text.substr(0, slash)}};
  if (slash == std::string::npos)
    return x.dump();
  auto rest = text.substr(slash + 1);
  auto second = rest.find('/');
  x["architecture"] = rest.substr(0, second);
  if (second != std::string::npos)
    x["variant"] = rest.substr(second + 1);
  return x.dump();
}

/// How far a pull is: the layers that were named, their bytes.
class pull_progress {
public:
  void take(const json& x) {
    auto id = text_in(x, "id");
    auto status = text_in(x, "status");
    if (id.empty() || (layers_.size() >= layers_max && !layers_.count(id)))
      return;
    if (status.find("Pulling from") != std::string::npos)
      return;
    auto& layer = layers_[id];
    if (status == "Pull complete" || status == "Already exists")
      layer.done = true;
    auto detail = x.value("progressDetail", json::object());
    if (status == "Downloading" && detail.is_object()) {
      layer.current = number(detail, "current");
      layer.total = std::max(layer.total, number(detail, "total"));
    } else if (status == "Download complete" || layer.done) {
      layer.current = layer.total;
    }
  }

  std::string text() const {
    size_t done = 0;
    double current = 0;
    double total = 0;
    for (const auto& [id, layer] : layers_) {
      done += layer.done ? 1 : 0;
      current += layer.current;
      total += layer.total;
    }
    char text[120];
    std::snprintf(text, sizeof(text),
                  "%zu of %zu layers, %.1f MB of %.1f MB downloaded", done,
                  layers_.size(), current / 1e6, total / 1e6);
    return text;
  }

private:
  struct layer_state {
    double current = 0;
    double total = 0;
    bool done = false;
  };

  static double number(const json& x, const char* key) {
    auto found = x.find(key);
    return found != x.end() && found->is_number() ? found->get<double>() : 0;
  }

  std::map<std::string, layer_state> layers_;
};

/// What the registry or the Engine said is wrong, if a line says so.
std::string error_of(const json& x) {
  auto text = text_in(x, "error");
  if (text.empty() && x.is_object() && x.contains("errorDetail"))
    text = text_in(x["errorDetail"], "message");
  return text;
}

} // namespace

image_name parse_image_name(const std::string& text) {
  if (auto at = text.find('@'); at != std::string::npos) {
    auto name = parse_image_name(text.substr(0, at));
    return {name.repository, text.substr(at + 1)};
  }
  auto slash = text.rfind('/');
  auto colon = text.rfind(':');
  if (colon == std::string::npos
      || (slash != std::string::npos && colon < slash))
    return {text, "latest"};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

plan_outcome pull_failure(const std::string& text) {
  constexpr std::array out_of_order{
    "dial tcp",         "connection refused", "no such host",
    "i/o timeout",      "tls handshake",      "client.timeout exceeded",
    "request canceled", "connection reset"};
  constexpr std::array refused{"not found",
                               "manifest unknown",
                               "pull access denied",
                               "access to the resource is denied",
                               "no basic auth credentials",
                               "repository does not exist or may require",
                               "unauthorized",
                               "authentication required"};
  auto said = lower(text);
  if (has_any(said, out_of_order))
    return plan_outcome::dependency_failed;
  return has_any(said, refused) ? plan_outcome::misconfigured
                                : plan_outcome::image_missing;
}

job_result<local_image> image_source::get(const image_request& what) const {
  if (what.kept) {
    auto there = inspect(what);
    if (there)
      return *there;
    if (there.error().code != engine_errc::not_found)
      return tl::unexpected{
        job_failure(there.error(), "looking for the image " + what.name)};
    trace::plain("Using helper image:  " + what.name);
  }
  trace::plain("Using effective pull policy of [" + names_of(what.policies)
               + "] for container " + what.name);
  job_result<local_image> got
    = fail(plan_outcome::misconfigured,
           "the image " + what.name + " has no pull policy");
  for (size_t i = 0; i < what.policies.size(); ++i) {
    if (i > 0)
      trace::info("Attempt #" + std::to_string(i + 1) + ": Trying \""
                  + name_of(what.policies[i]) + "\" pull policy");
    got = get_by(what.policies[i], what);
    if (got) {
      tell_used(what, *got);
      return got;
    }
    trace::warning("Failed to pull image with policy \""
                   + std::string{name_of(what.policies[i])}
                   + "\": " + got.error().text);
  }
  return got;
}

job_result<local_image> image_source::get_by(pull_policy policy,
                                             const image_request& what) const {
  bool by_id = is_id(what.name);
  if (policy == pull_policy::always && !by_id)
    return pull(what);
  auto there = inspect(what);
  if (there) {
    if (policy == pull_policy::if_not_present)
      trace::plain("Using locally found image version due to "
                   "\"if-not-present\" pull policy");
    return *there;
  }
  if (there.error().code != engine_errc::not_found)
    return tl::unexpected{
      job_failure(there.error(), "looking for the image " + what.name)};
  if (policy == pull_policy::never || by_id)
    return fail(plan_outcome::misconfigured,
                "the image " + what.name + " is not on the instance"
                  + (by_id ? ", and one by ID cannot be pulled"
                           : ", and its pull policy is never"));
  return pull(what);
}

engine_result<local_image>
image_source::inspect(const image_request& what) const {
  auto path = "/images/" + url_encoded(what.name, "/:@") + "/json";
  if (!what.platform.empty() && engine_.speaks(1, 49))
    path += "?platform=" + url_encoded(platform_json(what.platform));
  auto x = retried({}, [&] { return engine_.ask({"GET", path}); });
  if (!x)
    return tl::unexpected{x.error()};
  auto image = x->is_object() ? image_of(*x) : local_image{};
  if (image.id.empty())
    return fail(engine_errc::bad_answer,
                "the Docker Engine describes an image without an ID");
  return image;
}

job_result<local_image> image_source::pull(const image_request& what) const {
  std::mt19937 random{std::random_device{}()};
  std::uniform_int_distribution<int64_t> pause{pace_.pause_min.count(),
                                               pace_.pause_max.count()};
  for (int i = 1;; ++i) {
    auto pulled = pull_once(what);
    if (pulled)
      break;
    auto text = pulled.error().text;
    auto outcome = pull_failure(text);
    if (pulled.error().code == engine_errc::unreachable)
      outcome = plan_outcome::broken;
    else if (may_pass(pulled.error().code)
             && pulled.error().code != engine_errc::refused
             && outcome == plan_outcome::image_missing)
      outcome = plan_outcome::dependency_failed;
    bool again = outcome == plan_outcome::dependency_failed
                 || outcome == plan_outcome::broken;
    if (!again || i >= pace_.tries)
      return fail(outcome, "pulling the image " + what.name + ": " + text);
    trace::warning("Failed to pull image \"" + what.name + "\" (attempt #"
                   + std::to_string(i) + "), retrying: " + text);
    std::this_thread::sleep_for(std::chrono::milliseconds{pause(random)});
  }
  auto image = inspect(what);
  if (!image)
    return tl::unexpected{
      job_failure(image.error(), "looking for the pulled image " + what.name)};
  return *image;
}

engine_result<void> image_source::pull_once(const image_request& what) const {
  if (!what.auth_source.empty())
    trace::plain("Authenticating with credentials from " + what.auth_source);
  trace::plain("Pulling docker image " + what.name
               + (what.platform.empty() ? "" : " for platform " + what.platform)
               + " ...");
  auto name = parse_image_name(what.name);
  call x{"POST", "/images/create?fromImage=" + url_encoded(name.repository)
                   + "&tag=" + url_encoded(name.tag)};
  if (!what.platform.empty())
    x.path += "&platform=" + url_encoded(what.platform);
  x.registry_auth = what.auth.reveal();
  x.time = pull_silence;
  pull_progress progress;
  auto told = steady_clock::now();
  std::string trouble;
  bool half = false;
  auto read = engine_.ask_lines(x, [&](std::string_view line) {
    auto said = json::parse(line, nullptr, false);
    half = said.is_discarded()
           && line.find_first_not_of(" \r\t") != std::string_view::npos;
    if (half)
      return false;
    if (trouble.empty())
      trouble = error_of(said);
    progress.take(said);
    if (auto now = steady_clock::now(); now - told >= pace_.told_every) {
      told = now;
      trace::plain("Pulling docker image " + what.name + ": "
                   + progress.text());
    }
    return true;
  });
  if (!read)
    return read;
  if (half)
    return fail(engine_errc::bad_answer,
                "the Docker Engine tells of the pull in broken JSON");
  if (!trouble.empty())
    return fail(engine_errc::refused, trouble);
  return {};
}

void image_source::tell_used(const image_request& what,
                             const local_image& image) const {
  trace::plain("Using docker image " + image.id + " for " + what.name
               + (image.digest.empty() ? "" : " with digest " + image.digest)
               + " ...");
}

} // namespace muster::docker
