#pragma once

#include "tools/coordinator/trace_log.hpp"

#include <algorithm>
#include <atomic>
#include <fmt/format.h>
#include <httplib.h>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace muster::test {

/// A client of the job API as it should be: every header, one request at a
/// time.
class fake_runner {
public:
  fake_runner(const std::string& url, std::string token)
    : token_(std::move(token)) {
    auto path = url.find('/', url.find("://") + 3);
    base_ = path == std::string::npos ? "" : url.substr(path);
    http_ = std::make_unique<httplib::Client>(url.substr(0, path));
    http_->set_tcp_nodelay(true);
    http_->set_keep_alive(true);
    http_->set_read_timeout(std::chrono::seconds{30});
  }

  httplib::Client& http() {
    return *http_;
  }

  httplib::Result post(const std::string& path, nlohmann::json body) {
    body["token"] = token_;
    body["system_id"] = "s_0123456789ab";
    body["info"] = {{"name", "fake"}, {"features", nlohmann::json::object()}};
    auto headers = common();
    headers.emplace("RUNNER-TOKEN", token_);
    headers.emplace("Accept", "application/json");
    return http_->Post(base_ + "/api/v4/" + path, headers, body.dump(),
                       "application/json");
  }

  httplib::Result request(const std::string& cursor = {}) {
    auto body = nlohmann::json::object();
    if (!cursor.empty())
      body["last_update"] = cursor;
    return post("jobs/request", body);
  }

  httplib::Result patch(const nlohmann::json& job, uint64_t from,
                        const std::string& text) {
    auto headers = common();
    headers.emplace("JOB-TOKEN", job.value("token", ""));
    headers.emplace("Content-Range",
                    fmt::format("{}-{}", from, from + text.size() - 1));
    return http_->Patch(fmt::format("{}/api/v4/jobs/{}/trace?debug_trace=false",
                                    base_, job.value("id", 0)),
                        headers, text, "text/plain");
  }

  httplib::Result update(const nlohmann::json& job, const std::string& state,
                         const std::string& log = {}, int exit_code = 0) {
    nlohmann::json body{{"token", job.value("token", "")},
                        {"state", state},
                        {"output", nlohmann::json::object()}};
    if (!log.empty())
      body["output"]
        = {{"checksum", gitlab::checksum_text(gitlab::crc32_of(log))},
           {"bytesize", log.size()}};
    if (exit_code != 0) {
      body["exit_code"] = exit_code;
      body["failure_reason"] = "script_failure";
    }
    auto headers = common();
    headers.emplace("JOB-TOKEN", job.value("token", ""));
    return http_->Put(
      fmt::format("{}/api/v4/jobs/{}", base_, job.value("id", 0)), headers,
      body.dump(), "application/json");
  }

  /// As a helper uploads an artifact; `query` without the `?`.
  httplib::Result upload(const nlohmann::json& job,
                         const httplib::MultipartFormDataItems& parts,
                         const std::string& query) {
    auto headers = common();
    headers.emplace("JOB-TOKEN", job.value("token", ""));
    return http_->Post(artifacts_path(job.value("id", 0), query), headers,
                       parts);
  }

  /// The same with a body that is made while it is sent: `size` bytes of 'x'
  /// behind the first bytes of a zip.
  httplib::Result upload_large(const nlohmann::json& job, uint64_t size) {
    auto headers = common();
    headers.emplace("JOB-TOKEN", job.value("token", ""));
    uint64_t sent = 0;
    auto provider = [&](size_t, httplib::DataSink& sink) {
      static const std::string piece(64 * 1024, 'x');
      if (sent == 0) {
        std::string first
          = "--edge\r\nContent-Disposition: form-data; name=\"file\"; "
            "filename=\"large.zip\"\r\n\r\nPK\x03\x04";
        sink.write(first.data(), first.size());
      }
      auto count = std::min<uint64_t>(piece.size(), size - sent);
      sink.write(piece.data(), count);
      sent += count;
      if (sent == size) {
        std::string last = "\r\n--edge--\r\n";
        sink.write(last.data(), last.size());
        sink.done();
      }
      return true;
    };
    return http_->Post(artifacts_path(job.value("id", 0), {}), headers,
                       provider, "multipart/form-data; boundary=edge");
  }

  /// Asks for the archive of a job, with that job's token.
  httplib::Result download(int64_t id, const std::string& token,
                           const std::string& query = {}) {
    auto headers = common();
    headers.emplace("JOB-TOKEN", token);
    return http_->Get(artifacts_path(id, query), headers);
  }

  /// Takes a job, if there is one, and "runs" it: a script line `exit N` sets
  /// its exit code. Returns whether there was one.
  bool run_one() {
    auto answer = request();
    if (!answer || answer->status != 201)
      return false;
    auto job = nlohmann::json::parse(answer->body);
    update(job, "running");
    std::string log = "Instance i-1 connected\nslot: 0\n";
    int code = 0;
    for (const std::string line : job["steps"][0]["script"]) {
      log += "$ " + line + "\n";
      if (line.starts_with("exit "))
        code = std::stoi(line.substr(5));
    }
    patch(job, 0, log);
    update(job, code == 0 ? "success" : "failed", log, code);
    return true;
  }

private:
  static httplib::Headers common() {
    static std::atomic<uint64_t> number = 0;
    return {{"X-Request-Id", fmt::format("{:032x}", ++number)},
            {"User-Agent", "fake 1.0.0 (main; c++; linux/amd64)"}};
  }

  std::string artifacts_path(int64_t id, const std::string& query) const {
    return fmt::format("{}/api/v4/jobs/{}/artifacts{}{}", base_, id,
                       query.empty() ? "" : "?", query);
  }

  std::string token_;
  std::string base_;
  std::unique_ptr<httplib::Client> http_;
};

} // namespace muster::test
