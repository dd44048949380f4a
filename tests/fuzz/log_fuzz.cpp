// Writes pieces into the log of a job and looks at what comes out.

#include "actors/trace/trace_buffer.hpp"
#include "actors/trace/utf8.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace muster;

const std::string secret_text = "hunter22";
const std::string last_line = "\x1b[32;1mJob succeeded\x1b[0;m\n";
constexpr size_t header_size = 32;

struct write {
  trace_source source;
  std::string_view bytes;
  bool renders; ///< what is queued so far is taken over after it
};

/// Two bytes before each piece: its size, and what it is.
std::vector<write> writes_in(std::string_view input) {
  std::vector<write> out;
  while (input.size() > 2) {
    auto size
      = std::min<size_t>(static_cast<uint8_t>(input[0]), input.size() - 2);
    auto kind = static_cast<uint8_t>(input[1]);
    auto source = kind % 4 == 0 ? trace_source::job_err : trace_source::job_out;
    out.push_back({source, input.substr(2, size), (kind & 64) != 0});
    input.remove_prefix(2 + size);
  }
  return out;
}

std::string log_of(const std::vector<write>& writes, bool stamped,
                   int64_t limit, bool renders) {
  trace_settings with;
  with.masked = {secret{secret_text}};
  with.timestamps = stamped;
  with.limit_bytes = limit;
  trace_buffer log{with};
  for (const auto& x : writes) {
    log.append(x.source, 1'000'000, x.bytes);
    if (renders && x.renders)
      log.render();
  }
  log.append(trace_source::manager_final, 1'000'000, last_line);
  log.finish(1'000'000);
  auto size = log.render().size;
  auto text = log.read(0, 1 << 24);
  if (static_cast<int64_t>(text.size()) != size)
    std::abort();
  return text;
}

/// Whether it is as GitLab can store it: what is repaired needs no repair.
bool is_text(const std::string& bytes) {
  utf8_repair repair;
  std::string scratch;
  auto same = repair.repair(bytes, scratch) == bytes;
  return same && repair.close().empty();
}

/// Takes the headers off and joins what is marked as continued; a log whose
/// lines do not all begin with a header breaks off the run.
std::string without_stamps(std::string_view log) {
  std::string out[2]; // by stream
  std::string final_part;
  while (!log.empty()) {
    if (log.size() < header_size + 1 || log[26] != 'Z')
      std::abort();
    auto header = log.substr(0, header_size);
    auto end = log.find('\n', header_size);
    if (end == log.npos)
      std::abort();
    auto line = log.substr(header_size, end + 1 - header_size);
    log.remove_prefix(end + 1);
    auto& to = header[29] == '0' ? final_part : out[header[30] == 'E'];
    if (header[31] == '+' && !to.empty())
      to.pop_back(); // the line end that the cut put there
    to += line;
  }
  return out[0] + out[1] + final_part;
}

bool ends_with(const std::string& text, const std::string& part) {
  return text.size() >= part.size()
         && text.compare(text.size() - part.size(), part.size(), part) == 0;
}

} // namespace

/// The first byte chooses the limit; the rest are pieces.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1)
    return 0;
  std::string_view input{reinterpret_cast<const char*>(data) + 1, size - 1};
  auto writes = writes_in(input);
  constexpr int64_t plenty = 1 << 24;
  auto limit = data[0] == 0 ? plenty : int64_t{data[0]};
  for (auto stamped : {false, true}) {
    auto text = log_of(writes, stamped, limit, true);
    if (text != log_of(writes, stamped, limit, false))
      std::abort(); // when it is rendered must not matter
    if (!is_text(text) || !ends_with(text, last_line))
      std::abort();
    if (static_cast<int64_t>(text.size()) > limit + 1024)
      std::abort();
    if (stamped && limit == plenty)
      without_stamps(text);
  }
  // One stream, in pieces or not: masks and repairs come out the same.
  std::string all;
  for (auto& x : writes) {
    x.source = trace_source::job_out;
    all += x.bytes;
  }
  auto text = log_of(writes, false, limit, true);
  if (text
      != log_of({{trace_source::job_out, all, false}}, false, limit, false))
    std::abort();
  if (text.find(secret_text) != text.npos)
    std::abort();
  // With the time before each line it is the same text, a line end apart. What
  // is cut within a character cannot be put together again.
  auto is_ascii = std::all_of(all.begin(), all.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x80;
  });
  if (limit == plenty && !all.empty() && is_ascii) {
    auto stamped = without_stamps(log_of(writes, true, limit, true));
    auto plain = text.substr(0, text.size() - last_line.size());
    auto shown = stamped.substr(0, stamped.size() - last_line.size());
    if (shown != plain && shown != plain + "\n")
      std::abort();
  }
  return 0;
}
