#include "executors/plan/caches.hpp"

#include "executors/plan/helper_call.hpp"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <vector>

namespace muster {

namespace {

enum class direction : uint8_t { pull, push };

bool names_something(const job_cache& cache) {
  return cache.untracked || !cache.paths.empty();
}

bool wanted_after(const job_cache& cache, bool success) {
  if (cache.when == "always")
    return true;
  return success ? cache.when.empty() || cache.when == "on_success"
                 : cache.when == "on_failure";
}

/// Writes the restoring or the keeping of all caches of a job.
struct writer {
  posix::script& out;
  const cache_context& from;
  signatures& secrets;

  bool hashed() const {
    return from.settings.flags.hash_cache_keys;
  }

  /// Hands a request to the helper, whose variable is `name`.
  void give(helper_call& call, const char* name,
            const signed_request& request) const {
    if (request.url.empty())
      return;
    call.environment.emplace_back(name, request.url);
    auto query = request.url.find('?');
    if (query != std::string::npos)
      secrets.push_back(request.url.substr(query + 1));
  }

  cache_key key_of(const job_cache& cache) const {
    auto raw = cache.key.empty()
                 ? default_cache_key(from.payload.name, from.payload.git.ref)
                 : from.variables.expand(cache.key);
    return make_cache_key(raw, hashed());
  }

  /// Tells what is wrong with a key. Returns whether it can be used.
  bool check(const cache_key& key, std::string_view what) const {
    if (!key.warning.empty())
      out.warning(key.warning);
    if (!key.usable)
      out.notice("Skipping cache " + std::string{what}
                 + " due to empty cache key");
    return key.usable;
  }

  /// Returns whether the cache goes this way; nothing if that cannot be said:
  /// then the stage fails.
  std::optional<bool> goes(const job_cache& cache, const cache_key& key,
                           direction way) const {
    auto policy = from.variables.expand(cache.policy);
    if (policy.empty() || policy == "pull-push")
      return true;
    if (policy == "pull" || policy == "push")
      return (policy == "pull") == (way == direction::pull);
    out.error("unknown cache policy " + policy + " for " + key.shown
              + ": expected pull, push or pull-push");
    out.line("exit 1");
    return std::nullopt;
  }

  std::string file_of(std::string_view key) const {
    return from.dirs.cache + '/' + std::string{key} + "/cache.zip";
  }

  std::string minutes() const {
    return std::to_string(from.settings.archives.cache_timeout_minutes);
  }

  void run_if(const helper_call& call) const {
    out.line("if " + shell_command(call, from.settings.debug_trace) + "; then");
  }

  // -- restoring --------------------------------------------------------------

  /// Returns false if nothing can follow.
  bool restore(const job_cache& cache) const {
    auto key = key_of(cache);
    if (!check(key, "extraction"))
      return true;
    auto is_wanted = goes(cache, key, direction::pull);
    if (!is_wanted)
      return false;
    if (!*is_wanted) {
      out.notice("Not downloading cache " + key.shown + " due to policy");
      return true;
    }
    auto keys = with_fallbacks(cache, std::move(key));
    write_if_helper(out);
    extract(cache, keys);
    write_missing_helper(out, "Extracting cache");
    return true;
  }

  std::vector<cache_key> with_fallbacks(const job_cache& cache,
                                        cache_key first) const {
    std::vector<cache_key> keys{std::move(first)};
    for (const auto& fallback : cache.fallback_keys)
      add_fallback(keys, from.variables.expand(fallback));
    const auto& last = from.settings.archives.fallback_key;
    auto sanitized = make_cache_key(last, hashed()).shown;
    if (is_protected_cache_key(last) || is_protected_cache_key(sanitized))
      out.warning("CACHE_FALLBACK_KEY \"" + last
                  + "\" not allowed to end in \"-protected\"");
    else
      add_fallback(keys, last);
    return keys;
  }

  void add_fallback(std::vector<cache_key>& keys,
                    const std::string& raw) const {
    if (raw.empty())
      return;
    auto key = make_cache_key(raw, hashed());
    if (check(key, "extraction"))
      keys.push_back(std::move(key));
  }

  /// Each key is tried when the one before it has failed.
  void extract(const job_cache& cache, std::span<const cache_key> keys) const {
    for (const auto& key : keys) {
      out.notice("Checking cache for " + key.shown + "...");
      run_if(extractor(key));
      out.notice("Successfully extracted cache");
      out.line("else");
      out.warning("Failed to extract cache");
      if (from.settings.flags.clean_up_failed_extract)
        remove(cache.paths);
    }
    for (size_t i = 0; i < keys.size(); ++i)
      out.line("fi");
  }

  helper_call extractor(const cache_key& key) const {
    helper_call call;
    call.words = {"cache-extractor"};
    call.flag("--file", file_of(key.stored));
    call.flag("--timeout", minutes());
    auto requests
      = sign_restore(from.runner.cache, from.owner, key, hashed(), from.time);
    give(call, "MUSTER_CACHE_URL", requests.main);
    give(call, "MUSTER_CACHE_HEAD_URL", requests.check);
    give(call, "MUSTER_CACHE_ALTERNATE_URL", requests.alternate);
    give(call, "MUSTER_CACHE_ALTERNATE_HEAD_URL", requests.alternate_check);
    return call;
  }

  /// Removes what a broken archive may have left. Only below the project: a
  /// path that leads elsewhere is not the cache's to remove.
  void remove(const std::vector<std::string>& paths) const {
    const auto& project = from.dirs.project;
    for (const auto& path : paths) {
      auto expanded = from.variables.expand(path);
      auto whole = std::filesystem::path{
        expanded.starts_with('/') || expanded.starts_with(posix::login_mark)
          ? expanded
          : project + '/' + expanded};
      auto clean = whole.lexically_normal().string();
      while (clean.ends_with('/'))
        clean.pop_back();
      if (!clean.starts_with(project + '/'))
        continue;
      out.line("printf '%s\\n' " + posix::quote("Removing " + expanded));
      out.command({"rm", "-r", "-f", clean});
    }
  }

  // -- keeping ----------------------------------------------------------------

  bool archive(const job_cache& cache) const {
    auto key = key_of(cache);
    if (!check(key, "archiving"))
      return true;
    auto is_wanted = goes(cache, key, direction::push);
    if (!is_wanted)
      return false;
    if (!*is_wanted) {
      out.notice("Not uploading cache " + key.shown + " due to policy");
      return true;
    }
    write_if_helper(out);
    out.notice("Creating cache " + key.shown + "...");
    run_if(archiver(cache, key));
    out.notice("Created cache");
    out.line("else");
    out.warning("Failed to create cache");
    out.line("fi");
    write_missing_helper(out, "Creating cache");
    return true;
  }

  helper_call archiver(const job_cache& cache, const cache_key& key) const {
    helper_call call;
    call.words = {"cache-archiver"};
    call.flag("--file", file_of(key.stored));
    if (!key.alternate.empty())
      call.flag("--alternate-file", file_of(key.alternate));
    call.flag("--timeout", minutes());
    if (from.runner.cache.uploaded_max_bytes > 0)
      call.flag("--max-uploaded-archive-size",
                std::to_string(from.runner.cache.uploaded_max_bytes));
    call.flags("--path", cache.paths);
    if (cache.untracked)
      call.words.emplace_back("--untracked");
    nlohmann::json metadata{{"cachekey", key.shown}};
    call.environment.emplace_back(
      "CACHE_METADATA",
      metadata.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    auto requests
      = sign_archive(from.runner.cache, from.owner, key, hashed(), from.time);
    give(call, "MUSTER_CACHE_URL", requests.main);
    give(call, "MUSTER_CACHE_CHECK_URL", requests.check);
    std::string headers;
    for (const auto& [name, value] : requests.main.headers)
      headers += (headers.empty() ? "" : "\n") + name + ": " + value;
    if (!headers.empty())
      call.environment.emplace_back("MUSTER_CACHE_HEADERS", headers);
    return call;
  }
};

} // namespace

bool has_caches(const job_payload& payload) {
  return std::ranges::any_of(payload.caches, names_something);
}

bool keeps_caches(const job_payload& payload, bool success) {
  return std::ranges::any_of(payload.caches, [success](const job_cache& x) {
    return names_something(x) && wanted_after(x, success);
  });
}

signatures write_restore_caches(posix::script& out, const cache_context& from) {
  write_helper_search(out);
  signatures secrets;
  writer to{out, from, secrets};
  for (const auto& cache : from.payload.caches)
    if (names_something(cache) && !to.restore(cache))
      break;
  return secrets;
}

signatures write_archive_caches(posix::script& out, const cache_context& from,
                                bool success) {
  write_helper_search(out);
  signatures secrets;
  writer to{out, from, secrets};
  for (const auto& cache : from.payload.caches)
    if (names_something(cache) && wanted_after(cache, success)
        && !to.archive(cache))
      break;
  return secrets;
}

} // namespace muster
