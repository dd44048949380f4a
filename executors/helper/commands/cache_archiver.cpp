#include "executors/helper/commands/cache_store.hpp"
#include "executors/helper/commands/commands.hpp"
#include "executors/helper/commands/flags.hpp"
#include "executors/helper/commands/log.hpp"
#include "executors/helper/commands/reactions.hpp"
#include "executors/helper/commands/selection.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <strings.h>
#include <thread>

namespace muster::helper {

namespace {

struct archiver_options : cache_options {
  selection files;
  cache_place to;
  std::string check_url;
  std::string metadata;
  std::string level;
  std::string format;
  int64_t bytes_max = 0; ///< of an archive to upload; 0: no limit
};

std::vector<flag> flags_of(archiver_options& to) {
  return {
    {"path", "", &to.files.paths},
    {"exclude", "", &to.files.exclude},
    {"untracked", "", &to.files.untracked},
    {"verbose", "", &to.files.verbose},
    {"url", "MUSTER_CACHE_URL", &to.to.url},
    {"check-url", "MUSTER_CACHE_CHECK_URL", &to.check_url},
    {"gocloud-url", "", &to.to.gocloud_url},
    {"metadata", "CACHE_METADATA", &to.metadata},
    {"compression-level", "CACHE_COMPRESSION_LEVEL", &to.level},
    {"compression-format", "CACHE_COMPRESSION_FORMAT", &to.format},
    {"max-uploaded-archive-size", "CACHE_MAX_UPLOADED_ARCHIVE_SIZE",
     &to.bytes_max},
  };
}

/// Returns the archive that has all files as they are now, empty if none has.
std::string fresh_archive(const archiver_options& options,
                          const std::set<std::string>& files) {
  auto newest = newest_of(files);
  for (const auto* path : {&options.file, &options.alternate_file})
    if (auto facts = facts_of(*path); facts && newest <= facts->modified_ns)
      return *path;
  return "";
}

outcome archive(const archiver_options& options, archive_format format,
                compression_level level, const std::set<std::string>& files) {
  auto file = new_file::make(options.file);
  if (!file)
    return tl::unexpected{file.error()};
  file_sink sink{file->fd(), options.file};
  auto writer = make_archive_writer(format, level, sink);
  if (!writer)
    return tl::unexpected{writer.error()};
  if (auto done = add_all(files, **writer); !done)
    return done;
  if (auto done = (*writer)->finish(); !done)
    return done;
  if (auto done = file->keep(); !done)
    return done;
  return keep_metadata(options.file, options.metadata);
}

/// Sends an archive once. Returns why that failed and whether to try again.
struct put_outcome {
  std::string trouble; ///< empty: it worked
  bool again = false;
};

put_outcome put_once(http_client& client, const http_request& request) {
  auto answer = client.send(request);
  if (!answer)
    return {answer.error().text,
            answer.error().code == transfer_errc::no_answer};
  auto verdict = verdict_of_cache(answer->head().status);
  if (verdict == cache_verdict::done)
    return {};
  auto text = "received: " + answer->head().status_line();
  if (auto why = answer->explanation(); !why.empty())
    text += " (" + why + ")";
  return {text, verdict == cache_verdict::again};
}

/// What GitLab Runner sends beside the headers that it is given.
void add_defaults(std::vector<std::pair<std::string, std::string>>& to,
                  const file_facts& of) {
  auto is_type = [](const auto& x) {
    return ::strcasecmp(x.first.c_str(), "Content-Type") == 0;
  };
  if (std::none_of(to.begin(), to.end(), is_type))
    to.emplace_back("Content-Type", "application/octet-stream");
  to.emplace_back("Last-Modified",
                  http_date_of(of.modified_ns / 1'000'000'000));
}

int upload(const archiver_options& options, const std::string& path,
           const variables& environment) {
  unique_fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  auto facts = facts_of(path);
  if (!file || !facts)
    return log::fatal("open " + path + ": " + std::strerror(errno));
  if (options.bytes_max > 0
      && facts->size_bytes > static_cast<uint64_t>(options.bytes_max)) {
    log::info("Cache archive size (" + std::to_string(facts->size_bytes)
              + ") is too big (Limit is set to "
              + std::to_string(options.bytes_max)
              + "). Cache will be stored only locally.");
    return 0;
  }
  auto request = cache_request("PUT", options.to, environment, options.headers);
  if (!request)
    return log::fatal(request.error().text);
  add_defaults(request->headers, *facts);
  request->body_bytes = facts->size_bytes;
  request->body = [&](byte_sink& to) -> outcome {
    transfer_meter meter{"Uploaded", options.meter};
    auto content = content_of(file.get());
    std::vector<char> buffer(piece_bytes);
    for (auto left = facts->size_bytes; left > 0;) {
      auto n = content(buffer.data(), std::min<uint64_t>(buffer.size(), left));
      if (!n)
        return tl::unexpected{n.error()};
      if (*n == 0)
        return fail(helper_errc::failed, path + " became shorter");
      left -= *n;
      meter.add(*n);
      if (auto done = to.write({buffer.data(), *n}); !done)
        return done;
    }
    return {};
  };
  http_client client{tls_from_environment(), timeouts_of(options)};
  log::info("Uploading " + base_of(path) + " to " + shown(request->to));
  for (int64_t tries = 0;; ++tries) {
    auto done = put_once(client, *request);
    if (done.trouble.empty())
      return 0;
    if (!done.again || tries >= options.retry.times)
      return log::fatal(done.trouble);
    log::warning("Retrying...",
                 {{"context", "cache-archiver"}, {"error", done.trouble}});
    std::this_thread::sleep_for(options.retry.pause);
  }
}

/// What an archive that needs no rebuilding is uploaded for: the store has lost
/// it, or knows it under the other key only.
bool is_missed(const archiver_options& options, const variables& environment) {
  if (options.alternate_file.empty() || !has_place(options.to)
      || (options.check_url.empty() && options.to.gocloud_url.empty()))
    return false;
  http_client client{tls_from_environment(), timeouts_of(options)};
  auto place = options.check_url.empty() ? options.to
                                         : cache_place{options.check_url, ""};
  auto facts = ask_object(client, place, environment);
  return facts.known && !facts.exists;
}

} // namespace

int cache_archiver(const std::vector<std::string>& arguments) {
  archiver_options options;
  auto environment = read_cache_options(arguments, options, flags_of(options));
  if (!environment)
    return log::fatal("cache-archiver: " + environment.error().text);
  if (options.file.empty())
    return log::fatal("Missing --file");
  if (options.metadata.empty())
    options.metadata = (*environment)["CACHE_METADATA"];
  auto format = format_of(options.format);
  auto level = level_of(options.level);
  if (!format || *format == archive_format::gzip
      || *format == archive_format::raw)
    return log::fatal("unsupported compression format: " + options.format
                      + " (there are zip, tarzstd, zipzstd)");
  if (!level)
    return log::fatal("unsupported compression level: " + options.level
                      + " (there are fastest, fast, default, slow, slowest)");
  auto files = select(options.files);
  if (files.empty()) {
    log::info("No files to cache.");
    return 0;
  }
  warn_of_git(files);
  auto path = fresh_archive(options, files);
  if (!path.empty()) {
    if (!is_missed(options, *environment)) {
      log::info("Archive is up to date!");
      return 0;
    }
  } else {
    if (auto done = archive(options, *format, *level, files); !done)
      return log::fatal(done.error().text);
    path = options.file;
  }
  if (!has_place(options.to)) {
    log::info("No URL provided, cache will not be uploaded to shared cache "
              "server. Cache will be stored only locally.");
    return 0;
  }
  return upload(options, path, *environment);
}

} // namespace muster::helper
