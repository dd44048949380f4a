#pragma once

#include "executors/helper/http/client.hpp"
#include "providers/fleeting/registry/challenge.hpp"
#include "providers/fleeting/registry/manifest.hpp"
#include "tools/muster/fleeting/docker_config.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster::fleeting {

/// A manifest as it was sent.
struct manifest_text {
  std::string body;
  std::string content_type;
};

/// Reads one repository of a registry: OCI's distribution API. Calls block,
/// with deadlines; what could work a moment later is tried again. HTTPS, but
/// for registries on this machine, which may have HTTP. One thread.
///
/// Errors of all calls: `not_found`; `not_available` (it wants another user,
/// or cannot be used); `call_failed` (no answer, an error, or one that makes no
/// sense).
class registry_client {
public:
  /// @param user asked at most once, and only if the registry wants to know
  registry_client(std::string registry, std::string repository,
                  std::function<registry_user()> user);

  /// Returns what is under a tag or a digest; a digest is checked.
  result<manifest_text, provider_errc> get_manifest(const std::string& name);

  /// Returns a small thing that is checked by its digest.
  result<std::string, provider_errc> get_text(const descriptor& what);

  /// Writes a thing to a file at its position, checking size and digest
  /// meanwhile. The file is to be thrown away after an error.
  result<void, provider_errc> get_file(const descriptor& what, int file);

  /// All tags, as many as a registry may sensibly have.
  result<std::vector<std::string>, provider_errc> get_tags();

private:
  using answer = helper::http_answer;

  /// Sends a GET until there is an answer that is worth something.
  result<answer, provider_errc> get(const helper::url& what,
                                    const std::string& accept,
                                    helper::http_client& by);
  result<answer, provider_errc> send(const helper::url& what,
                                     const std::string& accept,
                                     helper::http_client& by);
  result<void, provider_errc> find_scheme();
  result<void, provider_errc> authenticate(const helper::response_head& head);
  result<void, provider_errc> fetch_token(const challenge& what);
  result<void, provider_errc> get_file_once(const descriptor& what, int file);
  const registry_user& user();
  helper::url url_of(const std::string& path) const;
  failure<provider_errc> refusal(answer& from) const;
  failure<provider_errc> in_registry(failure<provider_errc> x) const;

  std::string registry_;
  std::string repository_; ///< below the registry
  std::function<registry_user()> find_user_;
  std::optional<registry_user> user_;
  helper::http_client documents_;
  helper::http_client files_;
  std::optional<helper::url> base_; ///< set when the scheme is known
  secret authorization_;            ///< header's value; empty: not asked for
};

/// Whether a host is this machine. Pure.
bool is_loopback(const std::string& host);

} // namespace muster::fleeting
