#include "tools/muster/simulate/history.hpp"

#include "tools/muster/simulate/history_readers.hpp"

#include <ctime>
#include <fmt/chrono.h>
#include <fmt/format.h>

namespace muster::simulate {

namespace {

/// Passes the mark that some programs put before UTF-8, and blanks.
void skip_front(text_source& in) {
  constexpr int mark = 0xEF;
  if (in.peek() == mark)
    for (int i = 0; i < 3; ++i)
      in.next();
  while (in.peek() == ' ' || in.peek() == '\t' || in.peek() == '\r'
         || in.peek() == '\n')
    in.next();
}

} // namespace

std::string to_string(const history_fault& x) {
  return x.line == 0
           ? x.text
           : fmt::format("line {}, column {}: {}", x.line, x.column, x.text);
}

std::string to_string(history_time x) {
  auto whole = std::chrono::floor<std::chrono::seconds>(x.time_since_epoch());
  return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC",
                     fmt::gmtime(static_cast<std::time_t>(whole.count())));
}

tl::expected<history, history_fault>
read_history(std::istream& from, const history_limits& limits) {
  text_source in{from};
  history_builder builder{limits};
  skip_front(in);
  auto first = in.peek();
  auto fault = first == '{' || first == '['
                 ? read_json_jobs(in, limits, builder)
               : first != text_source::end ? read_csv_jobs(in, limits, builder)
                                           : std::nullopt;
  if (in.is_broken())
    return tl::unexpected{
      history_fault{in.line(), in.column(), "cannot be read any further"}};
  if (fault)
    return tl::unexpected{*fault};
  auto out = builder.finish();
  if (out.jobs.empty())
    return tl::unexpected{history_fault{
      0, 0,
      out.not_run > 0 ? fmt::format(
        "none of the {} jobs has run: there is nothing to play", out.not_run)
                      : std::string{"there is no job in it"}}};
  return out;
}

} // namespace muster::simulate
