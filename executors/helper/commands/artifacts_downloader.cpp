#include "executors/helper/archive/extract.hpp"
#include "executors/helper/commands/commands.hpp"
#include "executors/helper/commands/files.hpp"
#include "executors/helper/commands/flags.hpp"
#include "executors/helper/commands/log.hpp"
#include "executors/helper/commands/reactions.hpp"
#include "executors/helper/commands/selection.hpp"
#include "executors/helper/commands/server.hpp"
#include "executors/helper/commands/transfer.hpp"

#include <thread>
#include <unistd.h>

namespace muster::helper {

namespace {

struct downloader_options {
  job_credentials server;
  bool direct = false;
  retry_options retry;
  std::string staging;
  std::chrono::nanoseconds meter{0};
};

std::vector<flag> flags_of(downloader_options& to) {
  std::vector<flag> flags{
    {"direct-download", "FF_USE_DIRECT_DOWNLOAD", &to.direct},
    {"retry", "", &to.retry.times},
    {"retry-time", "", &to.retry.pause},
    {"archiver-staging-dir", "ARCHIVER_STAGING_DIR", &to.staging},
    {"transfer-meter-frequency", "TRANSFER_METER_FREQUENCY", &to.meter},
  };
  add_flags(flags, to.server);
  return flags;
}

constexpr std::string_view heading
  = "Downloading artifacts from coordinator...";

std::string_view word_of(download_verdict verdict) {
  switch (verdict) {
    case download_verdict::done:
      return " ok";
    case download_verdict::unauthorized:
      return " unauthorized";
    case download_verdict::forbidden:
      return " forbidden";
    case download_verdict::not_found:
      return " not found";
    case download_verdict::failed:
      break;
  }
  return " failed";
}

/// Tells the outcome of a try.
void tell(download_verdict verdict, const downloader_options& options,
          http_answer& answer) {
  auto text = std::string{heading} + std::string{word_of(verdict)};
  auto id = std::to_string(options.server.job);
  auto host = answer.from().host;
  auto status = answer.head().status_line();
  if (verdict == download_verdict::done) {
    log::info(text, {{"id", id}, {"host", host}, {"responseStatus", status}});
    return;
  }
  auto why = answer.explanation();
  if (why.empty())
    log::error(text, {{"id", id}, {"host", host}, {"responseStatus", status}});
  else
    log::error(text, {{"id", id},
                      {"host", host},
                      {"responseStatus", status},
                      {"message", why}});
}

/// What a try came to: why it failed, and whether another may help.
struct try_outcome {
  std::string trouble; ///< empty: it worked
  bool final = false;
};

try_outcome download_once(http_client& client,
                          const downloader_options& options, bool first,
                          int file) {
  http_request request;
  auto to = artifacts_url(
    options.server,
    {{"direct_download", options.direct && first ? "true" : ""}});
  request.to = to.value_or(url{});
  request.headers
    = {{"User-Agent", build_text()}, {"X-Request-Id", fresh_digits()}};
  request.secret_headers = {{"JOB-TOKEN", options.server.token}};
  auto answer = client.send(request);
  if (!answer) {
    log::error(std::string{heading} + " error",
               {{"id", std::to_string(options.server.job)},
                {"error", answer.error().text}});
    return {answer.error().text,
            answer.error().code == transfer_errc::hopeless};
  }
  auto verdict = verdict_of_download(answer->head().status);
  tell(verdict, options, *answer);
  switch (verdict) {
    case download_verdict::done:
      break;
    case download_verdict::unauthorized:
    case download_verdict::forbidden:
      return {"permission denied", true};
    case download_verdict::not_found:
      return {"file does not exist", true};
    case download_verdict::failed:
      return {answer->head().status_line(), false};
  }
  auto saved = save_body(*answer, file, "the artifacts",
                         transfer_meter{"Downloaded", options.meter});
  if (saved)
    return {};
  return {saved.error().text, saved.error().code == transfer_errc::hopeless};
}

} // namespace

int artifacts_downloader(const std::vector<std::string>& arguments) {
  downloader_options options;
  if (auto wrong = read_flags(flags_of(options), arguments))
    return log::fatal("artifacts-downloader: " + *wrong);
  if (auto missing = missing_in(options.server))
    return log::fatal(*missing);
  if (!artifacts_url(options.server, {}))
    return log::fatal("the URL of GitLab (--url, CI_SERVER_URL) is no URL of "
                      "http or https");
  auto file = scratch_file(options.staging);
  if (!file)
    return log::fatal(file.error().text);
  http_client client{options.server.tls, {}};
  for (int64_t tries = 0;; ++tries) {
    auto done = download_once(client, options, tries == 0, file->get());
    if (done.trouble.empty())
      break;
    if (done.final || tries >= options.retry.times)
      return log::fatal(done.trouble);
    log::warning("Retrying...", {{"context", "artifacts-downloader"},
                                 {"error", done.trouble}});
    std::this_thread::sleep_for(options.retry.pause);
  }
  return extract_here(file->get(), "artifacts");
}

} // namespace muster::helper
