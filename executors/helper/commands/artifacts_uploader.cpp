#include "executors/helper/commands/commands.hpp"
#include "executors/helper/commands/files.hpp"
#include "executors/helper/commands/flags.hpp"
#include "executors/helper/commands/log.hpp"
#include "executors/helper/commands/provenance.hpp"
#include "executors/helper/commands/reactions.hpp"
#include "executors/helper/commands/selection.hpp"
#include "executors/helper/commands/server.hpp"
#include "executors/helper/commands/transfer.hpp"

#include <thread>

namespace muster::helper {

namespace {

struct uploader_options {
  job_credentials server;
  selection files;
  std::string name = "artifacts";
  std::string expire_in;
  std::string format;
  std::string type;
  std::string level;
  bool debug_trace = false;
  http_timeouts timeouts;
  std::chrono::nanoseconds meter{0};
  provenance_facts provenance;
};

std::vector<flag> flags_of(uploader_options& to) {
  auto& about = to.provenance;
  std::vector<flag> flags{
    {"path", "", &to.files.paths},
    {"exclude", "", &to.files.exclude},
    {"untracked", "", &to.files.untracked},
    {"verbose", "", &to.files.verbose},
    {"name", "", &to.name},
    {"expire-in", "", &to.expire_in},
    {"artifact-format", "", &to.format},
    {"artifact-type", "", &to.type},
    {"compression-level", "ARTIFACT_COMPRESSION_LEVEL", &to.level},
    {"timeout", "", &to.timeouts.total},
    {"response-header-timeout", "", &to.timeouts.response_header},
    {"ci-debug-trace", "CI_DEBUG_TRACE", &to.debug_trace},
    {"transfer-meter-frequency", "TRANSFER_METER_FREQUENCY", &to.meter},
    {"generate-artifacts-metadata", "", &about.wanted},
    {"runner-id", "", &about.runner_id},
    {"repo-url", "", &about.repository},
    {"repo-digest", "", &about.commit},
    {"job-name", "", &about.job_name},
    {"executor-name", "", &about.executor},
    {"runner-name", "", &about.runner_name},
    {"metadata-parameter", "", &about.parameters},
    {"started-at", "", &about.started_at},
    {"ended-at", "", &about.ended_at},
    {"schema-version", "", &about.schema},
  };
  add_flags(flags, to.server);
  return flags;
}

/// The last part of a name; `default` if there is none.
std::string base_of(std::string name) {
  while (name.ends_with('/'))
    name.pop_back();
  name = name.substr(name.rfind('/') + 1);
  return name.empty() || name == "." || name == ".." ? "default" : name;
}

std::string quoted(std::string_view name) {
  std::string result;
  for (auto c : name) {
    if (c == '"' || c == '\\')
      result += '\\';
    result += static_cast<unsigned char>(c) < 32 ? '_' : c;
  }
  return result;
}

/// Counts what passes on its way.
struct metered_sink : byte_sink {
  byte_sink& to;
  transfer_meter meter;

  metered_sink(byte_sink& below, std::chrono::nanoseconds frequency)
    : to(below),
      meter("Uploaded", frequency) {
  }

  outcome write(std::string_view bytes) override {
    meter.add(bytes.size());
    return to.write(bytes);
  }
};

/// What is uploaded, the same at each try.
struct upload {
  const uploader_options& options;
  archive_format format;
  compression_level level;
  std::set<std::string> files;
  std::string name; ///< base name without extension

  /// Writes a form with the archive as its only file.
  http_request request() const;
  outcome write_archive(byte_sink& to) const;
  std::string heading() const;
};

std::string upload::heading() const {
  return "Uploading artifacts"
         + (options.type.empty() ? "" : " as \"" + options.type + "\"")
         + " to coordinator...";
}

outcome upload::write_archive(byte_sink& to) const {
  auto writer = make_archive_writer(format, level, to);
  if (!writer)
    return tl::unexpected{writer.error()};
  if (format == archive_format::raw)
    return add_target(*files.begin(), **writer);
  if (auto done = add_all(files, **writer); !done)
    return done;
  if (options.provenance.wanted && format == archive_format::zip) {
    auto done = add_provenance(options.provenance, files, name, **writer);
    if (!done)
      return done;
  }
  return (*writer)->finish();
}

http_request upload::request() const {
  http_request what;
  what.method = "POST";
  auto to = artifacts_url(options.server, {{"artifact_format", options.format},
                                           {"artifact_type", options.type},
                                           {"expire_in", options.expire_in}});
  what.to = to.value_or(url{});
  auto between = "muster-" + fresh_digits();
  what.headers = {{"User-Agent", build_text()},
                  {"X-Request-Id", fresh_digits()},
                  {"Content-Type", "multipart/form-data; boundary=" + between}};
  what.secret_headers = {{"JOB-TOKEN", options.server.token}};
  auto file_name = quoted(name + std::string{extension_of(format)});
  what.body = [this, between, file_name](byte_sink& sink) -> outcome {
    auto begun = sink.write("--" + between
                            + "\r\nContent-Disposition: form-data; "
                              "name=\"file\"; filename=\""
                            + file_name
                            + "\"\r\nContent-Type: application/octet-stream"
                              "\r\n\r\n");
    if (!begun)
      return begun;
    metered_sink metered{sink, options.meter};
    if (auto written = write_archive(metered); !written)
      return written;
    return sink.write("\r\n--" + between + "--\r\n");
  };
  return what;
}

/// Tells the outcome of a try and returns what to do.
upload_verdict tell(const upload& what,
                    result<http_answer, transfer_errc>& answer) {
  auto id = std::to_string(what.options.server.job);
  if (!answer) {
    log::error(what.heading() + " error",
               {{"id", id}, {"error", answer.error().text}});
    return verdict_of_upload(std::nullopt);
  }
  const auto& head = answer->head();
  auto verdict = verdict_of_upload(head.status);
  if (verdict == upload_verdict::done) {
    log::info(what.heading() + " " + head.status_line(),
              {{"id", id}, {"responseStatus", head.status_line()}});
    return verdict;
  }
  auto text
    = what.heading()
      + (verdict == upload_verdict::forbidden     ? " forbidden"
         : verdict == upload_verdict::too_large   ? " too large archive"
         : verdict == upload_verdict::unavailable ? " service unavailable"
                                                  : " failed");
  auto why = answer->explanation();
  if (why.empty())
    log::error(text, {{"id", id}, {"responseStatus", head.status_line()}});
  else
    log::error(
      text,
      {{"id", id}, {"responseStatus", head.status_line()}, {"message", why}});
  return verdict;
}

int upload_all(const upload& what) {
  http_client client{what.options.server.tls, what.options.timeouts};
  auto request = what.request();
  for (int tries = 1;; ++tries) {
    auto answer = client.send(request);
    if (!answer && answer.error().code == transfer_errc::hopeless)
      return log::fatal(answer.error().text);
    auto verdict = tell(what, answer);
    if (verdict == upload_verdict::done)
      return 0;
    if (verdict == upload_verdict::forbidden)
      return log::fatal("permission denied");
    if (verdict == upload_verdict::too_large)
      return log::fatal("too large");
    auto reason = answer ? answer->head().status_line() : answer.error().text;
    if (tries >= upload_tries_max(verdict))
      return log::fatal("uploading artifacts failed after "
                        + std::to_string(tries) + " tries: " + reason);
    log::warning("Retrying...",
                 {{"context", "artifacts-uploader"}, {"error", reason}});
    std::this_thread::sleep_for(upload_pause(tries));
  }
}

/// Whether the files fit the format; tells why not.
bool fits(const upload& what) {
  if (what.format != archive_format::raw || what.files.size() == 1)
    return true;
  log::fatal("only one file can be sent as raw, and there are "
             + std::to_string(what.files.size())
             + ": name one file, or choose another artifact-format");
  return false;
}

} // namespace

int artifacts_uploader(const std::vector<std::string>& arguments) {
  uploader_options options;
  if (auto wrong = read_flags(flags_of(options), arguments))
    return log::fatal("artifacts-uploader: " + *wrong);
  if (auto missing = missing_in(options.server))
    return log::fatal(*missing);
  options.provenance.job = options.server.job;
  if (!artifacts_url(options.server, {}))
    return log::fatal("the URL of GitLab (--url, CI_SERVER_URL) is no URL of "
                      "http or https");
  auto format = format_of(options.format);
  auto level = level_of(options.level);
  if (!format)
    return log::fatal("unsupported archive format: " + options.format
                      + " (there are zip, gzip, raw, zipzstd, tarzstd)");
  if (!level)
    return log::fatal("unsupported compression level: " + options.level
                      + " (there are fastest, fast, default, slow, slowest)");
  upload what{options, *format, *level, select(options.files),
              base_of(expanded(options.name))};
  if (what.files.empty()) {
    log::error("No files to upload");
    return 0;
  }
  warn_of_git(what.files);
  return fits(what) ? upload_all(what) : 1;
}

} // namespace muster::helper
