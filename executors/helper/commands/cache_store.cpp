#include "executors/helper/commands/cache_store.hpp"

#include "executors/helper/commands/commands.hpp"
#include "executors/helper/commands/json.hpp"
#include "executors/helper/commands/object_store.hpp"
#include "executors/helper/commands/reactions.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstdlib>

namespace muster::helper {

result<variables, helper_errc>
read_cache_options(const std::vector<std::string>& arguments, cache_options& to,
                   std::vector<flag> own) {
  auto flags = std::move(own);
  for (const auto& x : {
         flag{"file", "", &to.file},
         flag{"alternate-file", "", &to.alternate_file},
         flag{"env-file", "", &to.env_file},
         flag{"header", "MUSTER_CACHE_HEADERS", lines{&to.headers}},
         flag{"timeout", "", &to.timeout_minutes},
         flag{"transfer-buffer-size", "CACHE_TRANSFER_BUFFER_SIZE",
              &to.buffer_bytes},
         flag{"chunk-size", "CACHE_CHUNK_SIZE", &to.chunk_bytes},
         flag{"concurrency", "CACHE_CONCURRENCY", &to.concurrency},
         flag{"retry", "", &to.retry.times},
         flag{"retry-time", "", &to.retry.pause},
         flag{"transfer-meter-frequency", "TRANSFER_METER_FREQUENCY",
              &to.meter},
       })
    flags.push_back(x);
  if (auto wrong = read_flags(flags, arguments))
    return fail(helper_errc::failed, *wrong);
  if (to.env_file.empty())
    return variables{};
  return read_env_file(to.env_file);
}

http_timeouts timeouts_of(const cache_options& options) {
  http_timeouts timeouts;
  auto minutes = options.timeout_minutes > 0 ? options.timeout_minutes : 10;
  timeouts.total = std::chrono::minutes{std::min<int64_t>(minutes, 100'000)};
  timeouts.response_header = timeouts.total;
  return timeouts;
}

std::string base_of(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

result<http_request, helper_errc>
cache_request(const std::string& method, const cache_place& place,
              const variables& environment,
              const std::vector<std::string>& headers) {
  http_request what;
  what.method = method;
  if (!place.gocloud_url.empty()) {
    auto made = object_request(method, place.gocloud_url, environment);
    if (!made)
      return made;
    what = std::move(*made);
  } else {
    auto to = parse_url(place.url);
    if (!to)
      return fail(helper_errc::failed,
                  "the cache's URL is no URL of http or https");
    what.to = std::move(*to);
  }
  for (const auto& line : headers) {
    auto colon = line.find(':');
    if (colon == std::string::npos || colon == 0)
      return fail(helper_errc::failed, "a header of the cache's URL is not of "
                                       "the form `Name: value`");
    auto value = line.find_first_not_of(' ', colon + 1);
    what.headers.emplace_back(line.substr(0, colon), value == std::string::npos
                                                       ? ""
                                                       : line.substr(value));
  }
  what.headers.emplace_back("User-Agent", build_text());
  return what;
}

std::optional<int64_t> http_date(const std::string& text) {
  constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr",
                                                    "May", "Jun", "Jul", "Aug",
                                                    "Sep", "Oct", "Nov", "Dec"};
  // Fixed places: the length is that of the example.
  if (text.size() != 29 || text.compare(25, 4, " GMT") != 0)
    return std::nullopt;
  auto number = [&text](size_t at, size_t size) {
    int value = -1;
    std::from_chars(text.data() + at, text.data() + at + size, value);
    return value;
  };
  std::tm parts{};
  parts.tm_mon = -1;
  for (size_t i = 0; i < months.size(); ++i)
    if (text.compare(8, 3, months[i]) == 0)
      parts.tm_mon = static_cast<int>(i);
  parts.tm_mday = number(5, 2);
  parts.tm_year = number(12, 4) - 1900;
  parts.tm_hour = number(17, 2);
  parts.tm_min = number(20, 2);
  parts.tm_sec = number(23, 2);
  if (parts.tm_mon < 0 || parts.tm_mday < 1 || parts.tm_year < 0
      || parts.tm_hour < 0 || parts.tm_min < 0 || parts.tm_sec < 0)
    return std::nullopt;
  return ::timegm(&parts);
}

std::string http_date_of(int64_t seconds) {
  auto moment = static_cast<std::time_t>(seconds);
  std::tm parts{};
  ::gmtime_r(&moment, &parts);
  std::array<char, 64> text{};
  std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return text.data();
}

std::string metadata_in(const response_head& of) {
  std::string members;
  for (const auto& [name, value] : of.headers) {
    auto key = name;
    std::transform(key.begin(), key.end(), key.begin(), [](unsigned char c) {
      return static_cast<char>(std::tolower(c));
    });
    auto vendor = key.find('-', 2);
    if (!key.starts_with("x-") || vendor == std::string::npos
        || key.compare(vendor, 6, "-meta-") != 0)
      continue;
    members += (members.empty() ? "" : ",") + json_text(key.substr(vendor + 6))
               + ":" + json_text(value);
  }
  return members.empty() ? "" : "{" + members + "}";
}

outcome keep_metadata(const std::string& archive, const std::string& json) {
  if (json.empty())
    return {};
  auto path = archive.substr(0, archive.rfind('/') + 1) + "metadata.json";
  auto file = new_file::make(path);
  if (!file)
    return tl::unexpected{file.error()};
  if (auto done = file_sink{file->fd(), path}.write(json); !done)
    return done;
  return file->keep();
}

tls_settings tls_from_environment() {
  const char* file = std::getenv("CI_SERVER_TLS_CA_FILE");
  return {file != nullptr ? file : "", "", ""};
}

object_facts ask_object(http_client& client, const cache_place& place,
                        const variables& environment) {
  auto request = cache_request("HEAD", place, environment, {});
  if (!request)
    return {};
  auto answer = client.send(*request);
  if (!answer)
    return {};
  object_facts facts;
  auto verdict = verdict_of_cache(answer->head().status);
  facts.exists = verdict == cache_verdict::done;
  facts.known = facts.exists || verdict == cache_verdict::missing;
  if (auto date = answer->head().header("Last-Modified"); date)
    facts.modified_s = http_date(*date);
  return facts;
}

} // namespace muster::helper
