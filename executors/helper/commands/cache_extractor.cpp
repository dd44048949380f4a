#include "executors/helper/commands/cache_store.hpp"
#include "executors/helper/commands/commands.hpp"
#include "executors/helper/commands/flags.hpp"
#include "executors/helper/commands/log.hpp"
#include "executors/helper/commands/reactions.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <thread>

namespace muster::helper {

namespace {

struct extractor_options : cache_options {
  cache_place from;
  cache_place alternate;
  std::string head_url;
  std::string alternate_head_url;
};

std::vector<flag> flags_of(extractor_options& to) {
  return {
    {"url", "MUSTER_CACHE_URL", &to.from.url},
    {"gocloud-url", "", &to.from.gocloud_url},
    {"alternate-url", "MUSTER_CACHE_ALTERNATE_URL", &to.alternate.url},
    {"alternate-gocloud-url", "", &to.alternate.gocloud_url},
    {"head-url", "MUSTER_CACHE_HEAD_URL", &to.head_url},
    {"alternate-head-url", "MUSTER_CACHE_ALTERNATE_HEAD_URL",
     &to.alternate_head_url},
  };
}

/// What came of one place.
struct get_outcome {
  std::string trouble; ///< empty: the local file is the cache now
  bool again = false;
  bool missing = false;
};

get_outcome save(http_answer& answer, const extractor_options& options,
                 std::optional<int64_t> modified_s) {
  auto file = new_file::make(options.file);
  if (!file)
    return {file.error().text};
  auto saved = save_body(answer, file->fd(), options.file,
                         transfer_meter{"Downloaded", options.meter});
  if (!saved)
    return {saved.error().text, saved.error().code == transfer_errc::no_answer};
  std::optional<std::chrono::seconds> modified;
  if (modified_s)
    modified = std::chrono::seconds{*modified_s};
  auto kept = file->keep(modified);
  if (kept)
    kept = keep_metadata(options.file, metadata_in(answer.head()));
  return {kept ? "" : kept.error().text};
}

get_outcome get_once(http_client& client, const extractor_options& options,
                     const http_request& request) {
  auto answer = client.send(request);
  if (!answer)
    return {answer.error().text,
            answer.error().code == transfer_errc::no_answer};
  auto verdict = verdict_of_cache(answer->head().status);
  if (verdict == cache_verdict::missing)
    return {"file does not exist", false, true};
  if (verdict != cache_verdict::done) {
    auto text = "received: " + answer->head().status_line();
    if (auto why = answer->explanation(); !why.empty())
      text += " (" + why + ")";
    return {text, verdict == cache_verdict::again};
  }
  std::optional<int64_t> modified_s;
  if (auto date = answer->head().header("Last-Modified"); date)
    modified_s = http_date(*date);
  auto facts = facts_of(options.file);
  if (facts && modified_s
      && facts->modified_ns >= *modified_s * 1'000'000'000) {
    log::info(base_of(options.file) + " is up to date");
    return {};
  }
  log::info("Downloading " + base_of(options.file) + " from "
            + shown(request.to));
  return save(*answer, options, modified_s);
}

get_outcome get(http_client& client, const extractor_options& options,
                const cache_place& from, const variables& environment) {
  auto request = cache_request("GET", from, environment, options.headers);
  if (!request)
    return {request.error().text};
  for (int64_t tries = 0;; ++tries) {
    auto done = get_once(client, options, *request);
    if (done.trouble.empty() || !done.again || tries >= options.retry.times)
      return done;
    log::warning("Retrying...",
                 {{"context", "cache-extractor"}, {"error", done.trouble}});
    std::this_thread::sleep_for(options.retry.pause);
  }
}

/// The place to ask first: the one with the newer object, where both are known.
std::vector<const cache_place*> places_of(http_client& client,
                                          const extractor_options& options,
                                          const variables& environment) {
  std::vector<const cache_place*> places;
  if (has_place(options.from))
    places.push_back(&options.from);
  if (has_place(options.alternate))
    places.push_back(&options.alternate);
  if (places.size() < 2)
    return places;
  auto facts = [&](const cache_place& of, const std::string& head) {
    if (head.empty() && of.gocloud_url.empty())
      return object_facts{};
    return ask_object(client, head.empty() ? of : cache_place{head, ""},
                      environment);
  };
  auto own = facts(options.from, options.head_url);
  auto other = facts(options.alternate, options.alternate_head_url);
  auto newer = other.exists && other.modified_s && own.modified_s
               && *other.modified_s > *own.modified_s;
  if (newer || (other.exists && own.known && !own.exists))
    std::swap(places[0], places[1]);
  return places;
}

/// Brings the local file up to date; an exit status if that failed.
std::optional<int> download(const extractor_options& options,
                            const variables& environment) {
  http_client client{tls_from_environment(), timeouts_of(options)};
  get_outcome last;
  for (const auto* place : places_of(client, options, environment)) {
    last = get(client, options, *place, environment);
    if (!last.missing)
      break;
  }
  if (last.trouble.empty())
    return std::nullopt;
  log::warning(last.trouble);
  return 1;
}

/// The newer one of the local archives there are.
std::string local_archive(const extractor_options& options) {
  auto own = facts_of(options.file);
  auto other = facts_of(options.alternate_file);
  if (other && (!own || other->modified_ns > own->modified_ns))
    return options.alternate_file;
  return options.file;
}

} // namespace

int cache_extractor(const std::vector<std::string>& arguments) {
  extractor_options options;
  auto environment = read_cache_options(arguments, options, flags_of(options));
  if (!environment)
    return log::fatal("cache-extractor: " + environment.error().text);
  if (options.file.empty())
    return log::fatal("Missing cache file");
  auto path = options.file;
  if (has_place(options.from) || has_place(options.alternate)) {
    if (auto status = download(options, *environment))
      return *status;
  } else {
    log::info("No URL provided, cache will not be downloaded from shared cache "
              "server. Instead a local version of cache will be extracted.");
    path = local_archive(options);
  }
  unique_fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!file && errno == ENOENT)
    return log::fatal("file does not exist: " + path);
  if (!file)
    return log::fatal("open " + path + ": " + std::strerror(errno));
  return extract_here(file.get(), "the cache");
}

} // namespace muster::helper
