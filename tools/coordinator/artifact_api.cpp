#include "tools/coordinator/dotenv.hpp"
#include "tools/coordinator/server_state.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <fmt/format.h>
#include <random>

namespace muster::gitlab {

namespace {

constexpr std::array formats{"", "zip", "gzip", "raw", "zipzstd", "tarzstd"};
constexpr std::array parameters{"expire_in", "artifact_format",
                                "artifact_type"};
/// What may never reach another host than the one it was made for.
constexpr std::array secret_headers{"JOB-TOKEN", "RUNNER-TOKEN",
                                    "PRIVATE-TOKEN", "Authorization"};
constexpr size_t dotenv_max = 64 * 1024; ///< [bytes]
constexpr size_t links_max = 10'000;
constexpr size_t type_size_max = 100;

template <class List>
bool has(const List& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

/// How a file of a format begins, or nothing that one could say.
bool begins_as(std::string_view format, const artifact_file& file) {
  auto first = file.read(0, 4);
  if (format == "zip" || format.empty())
    return first == "PK\x03\x04" || first == "PK\x05\x06"; // or an empty one
  if (format == "gzip")
    return first.starts_with("\x1f\x8b");
  return true;
}

void answer_file(http_response& res, const artifact& what) {
  res.content_type = "application/octet-stream";
  res.headers.emplace_back(
    "Content-Disposition",
    fmt::format("attachment; filename=\"{}\"", what.file_name));
  res.content_size = what.file->size();
  if (res.content_size == 0)
    return; // an empty body
  res.content = [file = what.file](uint64_t offset, size_t size) {
    return file->read(offset, size);
  };
}

/// One request about the artifacts of a job.
class artifact_call {
public:
  artifact_call(server_state& state, http_request& req, http_response& res,
                int64_t job)
    : state_(state),
      req_(req),
      res_(res),
      job_(job),
      is_upload_(req.method == "POST"),
      token_(req.header("JOB-TOKEN")) {
  }

  void serve() {
    auto at = is_upload_ ? endpoint::upload : endpoint::download;
    check_headers();
    auto effect = state_.faults.decide({at, job_, {}}, now_us());
    if (effect.latency.count() > 0)
      req_.pause(effect.latency);
    if (!effect.other)
      act();
    else
      act_with(*effect.other);
    state_.counters.count(std::string{to_string(at)},
                          res_.ending == http_ending::normal ? res_.status : 0);
  }

private:
  void act() {
    if (is_upload_)
      upload();
    else
      download();
  }

  void act_with(const fault& what) {
    if (is_upload_)
      state_.jobs.excuse_upload(job_);
    if (what.kind == fault_kind::half && !is_upload_) {
      act();
      res_.ending = http_ending::half;
      return;
    }
    res_.status = is_upload_ ? 201 : 200;
    if (!break_answer(what, res_)) {
      act();
      if (what.kind == fault_kind::lost)
        res_.ending = http_ending::reset;
    } else if (what.kind == fault_kind::status) {
      res_.early = what.early;
      if (what.status >= 300 && what.status < 400)
        res_.headers.emplace_back("Location", location(what));
    }
  }

  std::string location(const fault& what) const {
    auto query = std::string{};
    for (const auto& [key, value] : req_.query)
      query += fmt::format("{}{}={}", query.empty() ? "?" : "&", key, value);
    if (what.location == "other")
      return state_.other_url + req_.path + query;
    if (!what.location.empty())
      return what.location;
    return state_.url.substr(0, state_.url.size() - state_.base_path.size())
           + req_.path + query;
  }

  void violation(const char* rule, const std::string& text) {
    state_.violations.add(
      rule, job_, fmt::format("{} {}: {}", req_.method, req_.path, text));
  }

  void check_headers() {
    if (!is_request_id(req_.header("X-Request-Id")))
      violation("request-id", "X-Request-Id is not 32 lower-case hex digits");
    if (req_.header("User-Agent").empty())
      violation("user-agent", "there is no User-Agent");
    if (token_.empty())
      violation("token-header", "there is no JOB-TOKEN");
    for (const auto& [key, value] : req_.query)
      if (is_upload_ ? !has(parameters, key) : key != "direct_download")
        violation("query", fmt::format("the query has a \"{}\"", key));
      else if (value.empty())
        violation("query", fmt::format("\"{}\" is empty: leave it out", key));
  }

  void answer(const job_answer& x) {
    if (!x.job_status.empty())
      res_.headers.emplace_back("Job-Status", x.job_status);
    if (x.message.empty())
      answer_json(res_, x.status, {{"message", "201 Created"}});
    else
      answer_error(res_, x.status, x.message);
  }

  void upload() {
    if (auto refused = state_.jobs.refuse_upload(job_, token_))
      return answer(*refused);
    if (!req_.read_parts) {
      violation("upload", "the body is no multipart/form-data");
      return answer_error(res_, 400, "400 Bad request - file is missing");
    }
    auto file = artifact_file::create(state_.jobs.artifact_size_max());
    if (!file)
      return answer_error(res_, 500, file.error().text);
    artifact what;
    if (!read_file(what, **file))
      return;
    what.file = std::move(*file);
    if (auto type = req_.parameter("artifact_type"); !type.empty())
      what.type = type;
    what.format = req_.parameter("artifact_format");
    what.expire_in = req_.parameter("expire_in");
    if (!check_upload(what))
      return answer_error(res_, 400, "400 Bad request");
    if (what.type == "dotenv" && !take_variables(what))
      return;
    answer(state_.jobs.add_artifact(job_, token_, std::move(what)));
  }

  /// Reads the part `file`; false if it was answered already.
  bool read_file(artifact& what, artifact_file& to) {
    bool in_file = false;
    bool found = false;
    result<void, artifact_errc> written;
    // What cannot be kept is read all the same: the client sees the answer.
    bool whole = req_.read_parts(
      {[&](const http_part& part) {
         in_file = !found && part.name == "file";
         if (in_file)
           what.file_name = part.file_name;
         else
           violation("upload",
                     fmt::format("a part \"{}\" beside the file", part.name));
         found |= in_file;
         return true;
       },
       [&](std::string_view bytes) {
         if (in_file && written)
           written = to.append(bytes);
         return true;
       }});
    if (!whole) {
      if (req_.connected()) // else it was broken off: no mistake of its own
        violation("upload", "the multipart body cannot be read");
      answer_error(res_, 400, "400 Bad request - the body breaks off");
    } else if (!written) {
      bool large = written.error().code == artifact_errc::too_large;
      answer_error(res_, large ? 413 : 500,
                   large ? "413 Request Entity Too Large"
                         : written.error().text);
    } else if (!found) {
      violation("upload", "there is no part \"file\"");
      answer_error(res_, 400, "400 Bad request - file is missing");
    } else {
      return true;
    }
    return false;
  }

  bool check_upload(const artifact& what) {
    if (what.file_name.empty())
      violation("upload", "the part \"file\" has no file name");
    bool known = has(formats, what.format) && what.type.size() < type_size_max;
    if (!known)
      violation("upload",
                fmt::format("\"{}\" is no artifact format", what.format));
    else if (!begins_as(what.format, *what.file))
      violation("upload",
                fmt::format("the file is no {}",
                            what.format.empty() ? "zip" : what.format));
    return known;
  }

  /// Reads a dotenv report; false if it was answered already.
  bool take_variables(artifact& what) {
    auto packed = what.file->read(0, dotenv_max);
    auto text = gunzip(packed, dotenv_max);
    auto variables
      = text
          ? read_dotenv(*text)
          : result<nlohmann::json, dotenv_errc>{tl::unexpected(text.error())};
    if (!variables)
      answer_error(res_, 400, "400 Bad request - " + variables.error().text);
    else
      what.variables = std::move(*variables);
    return variables.has_value();
  }

  void download() {
    auto found = state_.jobs.archive_of(job_, token_);
    if (found.status != 200)
      return answer_error(res_, found.status,
                          found.status == 403 ? "403 Forbidden"
                                              : "404 Artifacts not found");
    auto status = state_.direct_download.load();
    if (req_.parameter("direct_download") != "true" || status == 0)
      return answer_file(res_, found.what);
    res_.status = status;
    res_.headers.emplace_back(
      "Location", state_.other_url + state_.links.add(std::move(found.what)));
  }

  server_state& state_;
  http_request& req_;
  http_response& res_;
  int64_t job_;
  bool is_upload_;
  std::string token_;
};

} // namespace

bool is_request_id(std::string_view text) {
  return text.size() == 32
         && std::all_of(text.begin(), text.end(), [](unsigned char c) {
              return std::isdigit(c) != 0 || (c >= 'a' && c <= 'f');
            });
}

std::string storage_links::add(artifact what) {
  static thread_local std::random_device source;
  auto path = fmt::format("/storage/{:08x}{:08x}?X-Signature={:08x}{:08x}",
                          source(), source(), source(), source());
  std::lock_guard guard{mutex_};
  if (links_.size() >= links_max)
    links_.clear();
  links_[path] = std::move(what);
  return path;
}

std::optional<artifact> storage_links::find(const std::string& path) const {
  std::lock_guard guard{mutex_};
  auto at = links_.find(path);
  if (at == links_.end())
    return std::nullopt;
  return at->second;
}

void serve_artifacts(server_state& state, http_request& req, http_response& res,
                     int64_t job) {
  artifact_call{state, req, res, job}.serve();
}

void serve_storage(server_state& state, const http_request& req,
                   http_response& res) {
  for (const auto* header : secret_headers)
    if (!req.header(header).empty())
      state.violations.add(
        "token-leak", 0, fmt::format("{} was sent on to another host", header));
  auto effect = state.faults.decide({endpoint::storage, 0, {}}, now_us());
  if (effect.latency.count() > 0)
    req.pause(effect.latency);
  bool half = effect.other && effect.other->kind == fault_kind::half;
  if (!effect.other || half || !break_answer(*effect.other, res)) {
    auto found = state.links.find(
      fmt::format("{}?X-Signature={}", req.path, req.parameter("X-Signature")));
    if (found && req.method == "GET") {
      answer_file(res, *found);
      if (half)
        res.ending = http_ending::half;
    } else { // as object storages answer
      res.status = 403;
      res.content_type = "application/xml";
      res.body = "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code>"
                 "<Message>Access Denied</Message></Error>";
    }
    if (effect.other && effect.other->kind == fault_kind::lost)
      res.ending = http_ending::reset;
  }
  state.counters.count(std::string{to_string(endpoint::storage)},
                       res.ending == http_ending::normal ? res.status : 0);
}

} // namespace muster::gitlab
