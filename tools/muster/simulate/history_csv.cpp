#include "tools/muster/simulate/history_readers.hpp"

#include "config/diagnostic.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace muster::simulate {

namespace {

struct cell {
  size_t line = 0;
  size_t column = 0;
  std::string text;
};

/// Reads rows of cells (RFC 4180).
class csv_reader {
public:
  csv_reader(text_source& from, const history_limits& limits,
             history_builder& into)
    : in_(from),
      limits_(limits),
      into_(into) {
  }

  std::optional<history_fault> run() {
    if (!row() || !read_head())
      return std::move(fault_);
    for (;;) {
      if (!row())
        return std::move(fault_); // none at the end
      if (!take_row())
        return std::move(fault_);
    }
  }

private:
  bool refuse(size_t line, size_t column, std::string text) {
    fault_ = history_fault{line, column, std::move(text)};
    return false;
  }

  bool refuse(const cell& at, std::string text) {
    return refuse(at.line, at.column, std::move(text));
  }

  bool is_line_end() const {
    return in_.peek() == '\n' || in_.peek() == '\r';
  }

  /// Reads the next row that is not empty into the first `count_` cells.
  /// Returns false at the end of the file, too.
  bool row() {
    while (is_line_end())
      in_.next();
    if (in_.peek() == text_source::end)
      return false;
    for (count_ = 0;;) {
      if (count_ == limits_.columns_max)
        return refuse(
          in_.line(), in_.column(),
          fmt::format("a row has more than {} cells", limits_.columns_max));
      if (count_ == cells_.size())
        cells_.emplace_back();
      if (!read_cell(cells_[count_++]))
        return false;
      if (in_.peek() == text_source::end || is_line_end())
        return true;
      in_.next(); // what is between
    }
  }

  bool is_between(int c) {
    if (between_ != 0)
      return c == between_;
    if (c != ',' && c != ';' && c != '\t')
      return false;
    between_ = c; // the first one in the head tells
    return true;
  }

  bool read_cell(cell& into) {
    into.line = in_.line();
    into.column = in_.column();
    into.text.clear();
    if (in_.peek() == '"')
      return read_quoted(into);
    while (in_.peek() != text_source::end && !is_line_end()
           && !is_between(in_.peek()))
      if (!add(into))
        return false;
    return true;
  }

  bool read_quoted(cell& into) {
    in_.next();
    for (;;) {
      if (in_.peek() == text_source::end)
        return refuse(into, "the quotes that begin here do not end");
      if (in_.peek() == '"') {
        in_.next();
        if (in_.peek() != '"')
          break;
      }
      if (!add(into))
        return false;
    }
    if (in_.peek() == text_source::end || is_line_end()
        || is_between(in_.peek()))
      return true;
    return refuse(in_.line(), in_.column(),
                  "after closing quotes the cell was to end");
  }

  /// Cells that nobody looks at are cut off.
  bool add(cell& into) {
    auto c = in_.take();
    if (into.text.size() < limits_.value_bytes_max) {
      into.text += static_cast<char>(c);
      return true;
    }
    auto at = static_cast<size_t>(&into - cells_.data());
    if (at < fields_.size() && !fields_[at])
      return true;
    return refuse(into, fmt::format("the cell that begins here has more than "
                                    "{} bytes",
                                    limits_.value_bytes_max));
  }

  bool has(job_field what) const {
    return std::ranges::find(fields_, std::optional{what}) != fields_.end();
  }

  /// `tags` and `tag_list` may both be there.
  bool is_named_before(size_t column) const {
    auto same
      = [&](const cell& x) { return same_name(x.text, cells_[column].text); };
    return std::any_of(cells_.begin(),
                       cells_.begin() + static_cast<ptrdiff_t>(column), same);
  }

  bool read_head() {
    std::vector<std::string_view> others;
    for (size_t i = 0; i < count_; ++i) {
      auto field = job_field_of(cells_[i].text);
      if (field && is_named_before(i))
        return refuse(cells_[i], fmt::format("the head has {} twice",
                                             in_quotes(cells_[i].text)));
      if (!field)
        others.emplace_back(cells_[i].text);
      fields_.push_back(field);
    }
    auto queued
      = has(job_field::queued_at) || has(job_field::created_at)
        || (has(job_field::started_at) && has(job_field::queued_duration));
    if (!queued)
      return refuse(cells_[0],
                    "the first line names no column queued_at, none "
                    "started_at with queued_duration, and no created_at: one "
                    "of them is needed"
                      + meant_by("queued_at", others));
    if (!has(job_field::duration)
        && !(has(job_field::started_at) && has(job_field::finished_at)))
      return refuse(cells_[0], "the first line names no column duration, and "
                               "none started_at with finished_at: one of them "
                               "is needed"
                                 + meant_by("duration", others));
    return true;
  }

  bool take_row() {
    if (count_ != fields_.size())
      return refuse(
        cells_[0], fmt::format("the row has {} cell{}, the first line {}",
                               count_, count_ == 1 ? "" : "s", fields_.size()));
    record_.clear();
    for (size_t i = 0; i < count_; ++i)
      if (const auto& field = fields_[i])
        if (auto wrong = record_.set(*field, cells_[i].text))
          return refuse(cells_[i], std::move(*wrong));
    if (auto wrong = into_.add(record_, cells_[0].line))
      return refuse(cells_[0], std::move(*wrong));
    return true;
  }

  text_source& in_;
  const history_limits& limits_;
  history_builder& into_;
  int between_ = 0; ///< the character between cells; 0: not known yet
  std::vector<cell> cells_;
  size_t count_ = 0;
  std::vector<std::optional<job_field>> fields_; ///< by column
  job_record record_;
  std::optional<history_fault> fault_;
};

} // namespace

std::optional<history_fault> read_csv_jobs(text_source& from,
                                           const history_limits& limits,
                                           history_builder& into) {
  return csv_reader{from, limits, into}.run();
}

} // namespace muster::simulate
