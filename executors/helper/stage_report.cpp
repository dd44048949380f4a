#include "executors/helper/stage_report.hpp"

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

namespace muster::helper {

namespace {

using nlohmann::json;

// A line is a kind and JSON. One that was cut off by a kill has no line end and
// does not count.
constexpr char begin_kind = 'b';
constexpr char result_kind = 'r';
constexpr char state_kind = 's';

std::string one_line(const json& x) {
  return x.dump(-1, ' ', true, json::error_handler_t::replace);
}

std::string read_whole(int file) {
  struct stat facts {};
  if (::fstat(file, &facts) != 0)
    return "";
  std::string text(static_cast<size_t>(facts.st_size), '\0');
  auto n = ::pread(file, text.data(), text.size(), 0);
  text.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return text;
}

} // namespace

std::string clipped(std::string text) {
  constexpr size_t size_max = 4'096;
  if (text.size() <= size_max)
    return text;
  auto end = size_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80)
    --end;
  text.resize(end);
  return text + "...";
}

void stage_report::append(char kind, const std::string& text) const {
  auto line = "\n" + std::string{kind} + text + "\n";
  struct stat facts {};
  if (::fstat(file_, &facts) != 0)
    return;
  [[maybe_unused]] auto n
    = ::pwrite(file_, line.data(), line.size(), facts.st_size);
}

void stage_report::add(const stage_result& x) const {
  append(result_kind, one_line({{"outcome", static_cast<int>(x.outcome)},
                                {"exit_code", x.exit_code},
                                {"text", x.text}}));
}

void stage_report::add_state(const std::string& json) const {
  append(state_kind, json);
}

void stage_report::begin_stage() const {
  append(begin_kind, "");
}

std::string stage_report::last_of(char kind, bool of_stage) const {
  auto text = read_whole(file_);
  std::string found;
  for (size_t begin = 0; begin < text.size();) {
    auto end = text.find('\n', begin);
    if (end == std::string::npos)
      break;
    if (end > begin && text[begin] == begin_kind && of_stage)
      found.clear();
    else if (end > begin && text[begin] == kind)
      found = text.substr(begin + 1, end - begin - 1);
    begin = end + 1;
  }
  return found;
}

std::optional<stage_result> stage_report::result() const {
  auto x = json::parse(last_of(result_kind, true), nullptr, false);
  if (!x.is_object())
    return std::nullopt;
  stage_result read;
  read.outcome = static_cast<plan_outcome>(
    x.value("outcome", static_cast<int>(plan_outcome::broken)));
  read.exit_code = x.value("exit_code", 0);
  read.text = clipped(x.value("text", ""));
  return read;
}

std::string stage_report::state() const {
  return last_of(state_kind, false);
}

} // namespace muster::helper
