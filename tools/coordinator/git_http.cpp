#include "tools/coordinator/child_process.hpp"
#include "tools/coordinator/server_state.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <memory>
#include <openssl/evp.h>

namespace muster::gitlab {

namespace {

constexpr std::chrono::minutes patience{10}; ///< for one clone or fetch
constexpr std::string_view scheme = "Basic ";
constexpr std::string_view job_user = "gitlab-ci-token:";

std::string base64_decoded(std::string_view text) {
  std::string bytes(text.size() / 4 * 3 + 3, '\0');
  auto size
    = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                      reinterpret_cast<const unsigned char*>(text.data()),
                      static_cast<int>(text.size()));
  if (size < 0)
    return {};
  // Padding is decoded to zeros.
  auto padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  bytes.resize(size > padding ? static_cast<size_t>(size - padding) : 0);
  return bytes;
}

/// Whether the request has the token of a job that is being run.
bool authorised(server_state& state, const http_request& req) {
  auto header = req.header("Authorization");
  if (!header.starts_with(scheme) || header.size() > 4096)
    return false; // git asks once without
  auto words = base64_decoded(header.substr(scheme.size()));
  if (words.starts_with(job_user)
      && state.jobs.running_with(words.substr(job_user.size())))
    return true;
  state.violations.add(
    "git-token", 0,
    fmt::format("{} {}: no token of a running job", req.method, req.path));
  return false;
}

std::string packet(std::string_view text) {
  return fmt::format("{:04x}{}", text.size() + 4, text);
}

/// Streams what `git upload-pack` says.
void answer_with_git(server_state& state, const http_request& req,
                     http_response& res, const project& where, bool refs) {
  std::vector<std::string> arguments{"git",
                                     "-c",
                                     "safe.directory=*",
                                     "-c",
                                     "uploadpack.allowAnySHA1InWant=true",
                                     "upload-pack",
                                     "--stateless-rpc"};
  if (refs)
    arguments.emplace_back("--advertise-refs");
  arguments.push_back(where.directory);
  auto version = std::string{req.header("Git-Protocol")};
  std::vector<std::string> environment;
  if (!version.empty() && version.size() < 256)
    environment.push_back("GIT_PROTOCOL=" + version);
  auto child = child_process::start(arguments, req.body, environment);
  if (!child)
    return answer_error(res, 500, child.error().text);
  auto shared = std::make_shared<child_process>(std::move(*child));
  auto until = std::chrono::steady_clock::now() + patience;
  // As git's own http-backend does it: protocol 2 has no line of service.
  std::string first;
  if (refs && version.find("version=2") == std::string::npos)
    first = packet("# service=git-upload-pack\n") + "0000";
  res.content_type = refs ? "application/x-git-upload-pack-advertisement"
                          : "application/x-git-upload-pack-result";
  res.headers.emplace_back("Cache-Control", "no-cache");
  res.stream = [&state, shared, until, first]() mutable {
    if (!first.empty())
      return std::exchange(first, {});
    return shared->read(until, [&state] { return !state.stopping.load(); });
  };
}

struct git_path {
  std::string_view project;
  std::string_view service; ///< `info/refs`, `git-upload-pack`, ...
};

git_path split(std::string_view path) {
  auto at = path.find(".git/");
  if (at == std::string_view::npos)
    return {};
  return {path.substr(0, at), path.substr(at + 5)};
}

void serve_service(server_state& state, const http_request& req,
                   http_response& res, const git_path& path) {
  if (!authorised(state, req)) {
    res.headers.emplace_back("WWW-Authenticate", "Basic realm=\"GitLab\"");
    res.content_type = "text/plain";
    res.body = "HTTP Basic: Access denied\n";
    res.status = 401;
    return;
  }
  const auto* where = state.projects.find(path.project);
  bool refs = req.method == "GET" && path.service == "info/refs";
  bool pack = req.method == "POST" && path.service == "git-upload-pack";
  if (where == nullptr || (!refs && !pack))
    return answer_error(res, 404, "404 Not Found");
  if (refs && req.parameter("service") != "git-upload-pack")
    return answer_error(res, 403, "403 only git-upload-pack is served");
  answer_with_git(state, req, res, *where, refs);
}

} // namespace

bool serve_git(server_state& state, const http_request& req, http_response& res,
               std::string_view path) {
  auto parts = split(path);
  if (parts.project.empty())
    return false;
  auto effect = state.faults.decide({endpoint::git, 0, {}}, now_us());
  if (effect.latency.count() > 0)
    req.pause(effect.latency);
  if (!effect.other || !break_answer(*effect.other, res)) {
    serve_service(state, req, res, parts);
    if (effect.other && effect.other->kind == fault_kind::lost)
      res.ending = http_ending::reset;
  }
  state.counters.count(std::string{to_string(endpoint::git)},
                       res.ending == http_ending::normal ? res.status : 0);
  return true;
}

} // namespace muster::gitlab
