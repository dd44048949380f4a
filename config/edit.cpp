#include "config/edit.hpp"

#include "config/load.hpp"
#include "config/section.hpp"
#include "config/source.hpp"
#include "config/toml_spans.hpp"
#include "config/toml_write.hpp"

#include <algorithm>
#include <cstdlib>
#include <fmt/format.h>
#include <sstream>

namespace muster {

struct config_text::tables {
  toml::table root;

  /// The key of the list as it is spelled, and the list; empty if it is not
  /// there.
  entry list() const {
    return find_entry(root, "runners");
  }

  const toml::array* runners() const {
    auto at = list();
    return at ? at.value->as_array() : nullptr;
  }

  const toml::table* runner(size_t index) const {
    const auto* all = runners();
    const auto* one = all == nullptr ? nullptr : all->get(index);
    return one == nullptr ? nullptr : one->as_table();
  }
};

namespace {

tl::unexpected<failure<config_errc>> not_valid(std::string why) {
  return fail(config_errc::not_valid, std::move(why));
}

toml::table* table_in(toml::table& at, std::string_view name) {
  auto found = find_entry(at, name);
  return found ? at.get(found.key->str())->as_table() : nullptr;
}

/// Does to a tree what is to be done to its text. Returns false if something
/// else is in the way.
bool assign(toml::table& runner, const key_names& keys,
            const toml::node& value) {
  auto* at = &runner;
  for (size_t i = 0; i + 1 < keys.size(); ++i) {
    if (!find_entry(*at, keys[i]))
      at->insert(keys[i], toml::table{});
    at = table_in(*at, keys[i]);
    if (at == nullptr)
      return false;
  }
  auto old = find_entry(*at, keys.back());
  if (old && (old.value->is_table() || old.value->is_array_of_tables()))
    return false;
  at->insert_or_assign(old ? std::string{old.key->str()} : keys.back(), value);
  return true;
}

/// The text of one file, and what its changes have in common.
struct editor {
  std::string_view text;
  std::vector<toml_statement> all;
  std::string list_name; ///< `runners`, as it is spelled

  std::string_view cut(text_span x) const {
    return text.substr(x.begin, x.end - x.begin);
  }

  std::string_view line_break() const {
    auto first = text.find('\n');
    return first != text.npos && first > 0 && text[first - 1] == '\r' ? "\r\n"
                                                                      : "\n";
  }

  std::string replaced(text_span what, std::string_view by) const {
    std::string out{text.substr(0, what.begin)};
    out += by;
    out += text.substr(what.end);
    return out;
  }

  std::optional<size_t> offset(const toml::source_position& at) const {
    return offset_of(text, at);
  }

  bool is_inline(const toml::node& x) const {
    auto at = offset(x.source().begin);
    return at && *at < text.size() && text[*at] == '{';
  }

  /// The header of a table, if it has one of its own.
  std::optional<size_t> header_of(const toml::table& x, size_t depth) const {
    auto at = offset(x.source().begin);
    for (size_t i = 0; at && i < all.size(); ++i)
      if (all[i].is_header && all[i].what.begin == *at
          && all[i].path.size() == depth)
        return i;
    return std::nullopt;
  }

  /// The statement behind the last one of a header's.
  size_t section_end(size_t header) const {
    auto end = header + 1;
    while (end < all.size() && !all[end].is_header)
      ++end;
    return end;
  }

  /// Groups of statements that belong to a runner: most have one. Between two
  /// there is something of others.
  std::vector<std::pair<size_t, size_t>> groups_of(size_t header) const {
    std::vector<std::pair<size_t, size_t>> groups;
    for (auto at = header; at < all.size(); at = section_end(at)) {
      const auto& path = all[at].path;
      auto is_next = at != header && path.size() == 1 && path[0] == list_name;
      if (is_next)
        break;
      if (path.empty() || path[0] != list_name)
        continue;
      if (!groups.empty() && groups.back().second == at)
        groups.back().second = section_end(at);
      else
        groups.emplace_back(at, section_end(at));
    }
    return groups;
  }

  /// The lines of a group with the comments that belong to it.
  text_span lines_of(std::pair<size_t, size_t> group) const {
    text_span span{all[group.first].lines.begin,
                   all[group.second - 1].lines.end};
    auto depth = indentation(text, all[group.first].what.begin).size();
    span.begin = with_comment_above(span.begin);
    for (auto at = span.end; at < text.size();) {
      auto end = line_end(text, at);
      auto line = text.substr(at, end - at);
      auto is_inner
        = is_comment_line(line) && indentation(text, at).size() > depth;
      if (!is_inner && !is_blank_line(line))
        break;
      at = end;
      if (is_inner)
        span.end = end;
    }
    return span;
  }

  /// Comment lines directly above belong to what they stand above; those at the
  /// very top of a file, to the file.
  size_t with_comment_above(size_t begin) const {
    auto top = begin;
    while (top > 0) {
      auto above = line_begin(text, top - 1);
      if (!is_comment_line(text.substr(above, top - above)))
        break;
      top = above;
    }
    return top == 0 ? begin : top;
  }

  /// Blank lines that would be left over are taken along.
  text_span with_blank_lines(text_span span) const {
    auto is_blank = [this](size_t begin, size_t end) {
      return is_blank_line(text.substr(begin, end - begin));
    };
    auto above = span.begin == 0 ? 0 : line_begin(text, span.begin - 1);
    if (span.begin == 0 || is_blank(above, span.begin))
      while (span.end < text.size()
             && is_blank(span.end, line_end(text, span.end)))
        span.end = line_end(text, span.end);
    if (span.end < text.size())
      return span;
    while (span.begin > 0) {
      above = line_begin(text, span.begin - 1);
      if (!is_blank(above, span.begin))
        break;
      span.begin = above;
    }
    return span;
  }

  std::string with_line_behind(size_t statement,
                               const std::string& line) const {
    auto at = all[statement].lines.end;
    auto is_open = at > 0 && text[at - 1] != '\n'; // no final line break
    std::string added{is_open ? line_break() : ""};
    added += line;
    if (!is_open)
      added += line_break();
    return replaced({at, at}, added);
  }

  /// A key in the section of a header.
  std::string with_key(const toml::table& table, size_t header,
                       const std::string& assignment,
                       std::string_view after) const {
    auto behind = section_end(header) - 1;
    if (auto anchor = find_entry(table, after); anchor && !after.empty()) {
      auto at = offset(anchor.key_position());
      for (auto i = header + 1; i < section_end(header); ++i)
        if (at && all[i].what.begin == *at)
          behind = i;
    }
    auto indent = indentation(text, all[behind].what.begin);
    if (behind == header)
      indent += "  ";
    return with_line_behind(behind, indent + assignment);
  }

  std::string with_inline_key(const toml::table& table,
                              const std::string& assignment,
                              std::string_view after) const {
    auto begin = offset(table.source().begin).value_or(0);
    auto closing = value_end(text, begin) - 1;
    auto at = text.find_last_not_of(" \t", closing - 1) + 1;
    if (table.empty())
      return replaced({at, closing}, " " + assignment + " ");
    if (auto anchor = find_entry(table, after); anchor && !after.empty())
      if (auto value = offset(anchor.value_position()))
        at = value_end(text, *value);
    return replaced({at, at}, ", " + assignment);
  }

  std::string with_section(size_t header, const key_names& tables,
                           const std::string& assignment) const {
    auto last = groups_of(header).back().second - 1;
    auto indent = indentation(text, all[header].what.begin) + "  ";
    key_names path{list_name};
    path.insert(path.end(), tables.begin(), tables.end());
    return with_line_behind(last, fmt::format("{}[{}]{}{}  {}", indent,
                                              toml_key(path), line_break(),
                                              indent, assignment));
  }

  /// One element of a list, with one of the commas beside it.
  text_span element_span(const toml::array& list, size_t index) const {
    auto begin = offset(list.get(index)->source().begin).value_or(0);
    text_span span{begin, value_end(text, begin)};
    auto last = index + 1 == list.size();
    auto comma = comma_behind(span.end);
    if (comma && (!last || index == 0)) {
      span.end = *comma + 1;
    } else if (last && index > 0) {
      auto before = offset(list.get(index - 1)->source().begin).value_or(0);
      span.begin = comma_behind(value_end(text, before)).value_or(span.begin);
      if (comma)
        span.end = *comma + 1;
    }
    if (span.begin == begin) {
      while (span.end < text.size() && text[span.end] == ' ')
        ++span.end;
      auto line = line_begin(text, span.begin);
      auto rest = line_end(text, span.end);
      if (is_blank_line(text.substr(line, span.begin - line))
          && is_blank_line(text.substr(span.end, rest - span.end)))
        span = {line, rest};
    }
    return span;
  }

  std::optional<size_t> comma_behind(size_t at) const {
    while (at < text.size()) {
      if (text[at] == '#')
        at = line_end(text, at);
      else if (text[at] == ',')
        return at;
      else if (std::string_view{" \t\r\n"}.find(text[at]) == text.npos)
        return std::nullopt;
      else
        ++at;
    }
    return std::nullopt;
  }

  std::string with_element(const toml::array& list,
                           const std::string& element) const {
    auto begin = offset(list.source().begin).value_or(0);
    auto closing = value_end(text, begin) - 1;
    if (list.empty())
      return replaced({closing, closing}, element);
    auto last = offset(list.get(list.size() - 1)->source().begin).value_or(0);
    auto at = value_end(text, last);
    if (auto comma = comma_behind(at))
      return replaced({*comma + 1, *comma + 1}, " " + element + ",");
    return replaced({at, at}, ", " + element);
  }

  /// Headers of a group under the list's name in another file.
  std::string renamed(std::pair<size_t, size_t> group,
                      const std::string& name) const {
    auto span = lines_of(group);
    std::string out;
    auto copied = span.begin;
    for (auto i = group.first; i < group.second && name != list_name; ++i) {
      if (!all[i].is_header)
        continue;
      auto path = all[i].path;
      path[0] = name;
      auto is_list = cut(all[i].what).starts_with("[[");
      out += text.substr(copied, all[i].what.begin - copied);
      out += fmt::format("{}{}{}", is_list ? "[[" : "[", toml_key(path),
                         is_list ? "]]" : "]");
      copied = all[i].what.end;
    }
    return out += text.substr(copied, span.end - copied);
  }
};

std::string with_line_breaks(std::string_view text, std::string_view breaks) {
  std::string out;
  for (auto c : text)
    if (c == '\n')
      out += breaks;
    else if (c != '\r')
      out += c;
  return out;
}

void make_inline(toml::node& x) {
  if (auto* table = x.as_table()) {
    table->is_inline(true);
    for (auto&& [key, value] : *table)
      make_inline(value);
  } else if (auto* list = x.as_array()) {
    for (auto& element : *list)
      make_inline(element);
  }
}

std::string inline_text(toml::table table) {
  make_inline(table);
  std::ostringstream out;
  out << toml::toml_formatter{table};
  return out.str();
}

} // namespace

std::optional<std::string> environment_variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>{value};
}

config_text::config_text(std::string text, std::string path)
  : text_(std::move(text)),
    path_(std::move(path)) {
}

result<config_text, config_errc> config_text::parse(std::string text,
                                                    const std::string& path) {
  auto at = [&path](size_t line, size_t column) {
    return fmt::format("{}:{}:{}: ", path, line, column);
  };
  if (auto fault = find_source_fault(text))
    return not_valid(at(fault->line, fault->column) + fault->message);
  config_text out{std::move(text), path};
  try {
    out.parsed_
      = std::make_shared<const tables>(tables{toml::parse(out.text_)});
  } catch (const toml::parse_error& error) {
    // The parser's own words may quote the file, which has tokens in it.
    auto where = error.source().begin;
    return not_valid(at(where.line, where.column)
                     + "not valid TOML; muster check says more");
  }
  if (auto list = out.parsed_->list()) {
    const auto* all = out.parsed_->runners();
    auto is_table = [](const toml::node& x) { return x.is_table(); };
    if (all == nullptr || !std::all_of(all->begin(), all->end(), is_table)) {
      auto where = list.key_position();
      return not_valid(at(where.line, where.column)
                       + "runners is no list of tables: write [[runners]]");
    }
  }
  return out;
}

size_t config_text::runners() const {
  const auto* all = parsed_->runners();
  return all == nullptr ? 0 : all->size();
}

runner_entry_facts config_text::facts(
  size_t runner,
  const std::function<std::optional<std::string>(const std::string&)>& variable)
  const {
  report nowhere{path_};
  section at{parsed_->runner(runner), "runners", nowhere};
  runner_entry_facts out;
  out.name = at.text("name");
  out.url = expand_variables(at.text("url"), variable);
  auto token = at.text("token");
  out.token = secret{expand_variables(token, variable)};
  out.token_is_literal = token.find('$') == std::string::npos;
  out.executor = at.text("executor");
  out.id = at.integer("id", 0);
  out.tls_ca_file = at.text("tls-ca-file");
  out.tls_cert_file = at.text("tls-cert-file");
  out.tls_key_file = at.text("tls-key-file");
  if (auto autoscaler = at.child("autoscaler"); autoscaler.exists())
    out.plugin = autoscaler.text("plugin");
  return out;
}

bool config_text::has(size_t runner, const key_names& keys) const {
  const auto* at = parsed_->runner(runner);
  for (size_t i = 0; at != nullptr; ++i) {
    auto found = find_entry(*at, keys[i]);
    if (!found || i + 1 == keys.size())
      return static_cast<bool>(found);
    at = found.value->as_table();
  }
  return false;
}

namespace {

/// All ways of writing an assignment that could be right; the first that means
/// what is wanted is taken.
std::vector<std::string>
ways_to_set(const editor& in, const toml::table& runner, const key_names& keys,
            const std::string& value, std::string_view after) {
  std::vector<std::string> ways;
  std::vector<const toml::table*> tables{&runner};
  while (tables.size() < keys.size()) {
    auto next = find_entry(*tables.back(), keys[tables.size() - 1]);
    if (!next || !next.value->is_table())
      break;
    tables.push_back(next.value->as_table());
  }
  auto is_there = tables.size() == keys.size();
  if (auto old = find_entry(*tables.back(), keys.back()); old && is_there) {
    if (auto begin = in.offset(old.value_position()))
      ways.push_back(in.replaced({*begin, value_end(in.text, *begin)}, value));
    return ways;
  }
  auto header = in.header_of(runner, 1);
  auto has_section = [&](size_t depth) {
    return in.is_inline(*tables[depth])
           || in.header_of(*tables[depth], depth + 1);
  };
  auto assignment = [&](size_t depth) {
    key_names rest{keys.begin() + static_cast<std::ptrdiff_t>(depth),
                   keys.end()};
    return toml_key(rest) + " = " + value;
  };
  if (header && keys.size() > 1 && !(is_there && has_section(keys.size() - 1)))
    ways.push_back(in.with_section(*header, {keys.begin(), keys.end() - 1},
                                   assignment(keys.size() - 1)));
  for (auto depth = tables.size(); depth-- > 0;)
    if (in.is_inline(*tables[depth]))
      ways.push_back(
        in.with_inline_key(*tables[depth], assignment(depth), after));
    else if (auto own = in.header_of(*tables[depth], depth + 1))
      ways.push_back(
        in.with_key(*tables[depth], *own, assignment(depth), after));
  return ways;
}

editor editor_of(const std::string& text, const entry& list) {
  return {text, statements_of(text),
          list ? std::string{list.key->str()} : "runners"};
}

} // namespace

result<void, config_errc>
config_text::adopt(const std::vector<std::string>& ways, const tables& wanted,
                   const std::string& what) {
  for (const auto& way : ways)
    if (auto next = parse(way, path_);
        next && next->parsed_->root == wanted.root) {
      *this = std::move(*next);
      return {};
    }
  return not_valid(fmt::format("{}: {} cannot be done in the way that this "
                               "file is written: do it by hand",
                               path_, what));
}

result<void, config_errc> config_text::set(size_t runner, const key_names& keys,
                                           const new_value& value,
                                           std::string_view after) {
  auto what = fmt::format("setting {} of a runner", toml_key(keys));
  auto text = toml_text(value);
  auto wanted = *parsed_;
  auto list = parsed_->list();
  auto* table = list ? wanted.root.get(list.key->str())->as_array()->get(runner)
                     : nullptr;
  if (table == nullptr || !text)
    return adopt({}, wanted, what);
  auto node = toml::parse("x = " + *text);
  if (!assign(*table->as_table(), keys, *node.get("x")))
    return adopt({}, wanted, what);
  return adopt(ways_to_set(editor_of(text_, list), *parsed_->runner(runner),
                           keys, *text, after),
               wanted, what);
}

result<void, config_errc> config_text::remove(size_t runner) {
  auto wanted = *parsed_;
  auto list = parsed_->list();
  const auto* one = parsed_->runner(runner);
  if (one == nullptr)
    return adopt({}, wanted, "removing a runner");
  auto in = editor_of(text_, list);
  auto* all = wanted.root.get(list.key->str())->as_array();
  all->erase(all->begin() + static_cast<std::ptrdiff_t>(runner));
  auto header = in.header_of(*one, 1);
  std::string way = text_;
  if (!header) {
    way = in.replaced(in.element_span(*parsed_->runners(), runner), "");
  } else {
    if (all->empty())
      wanted.root.erase(list.key->str());
    auto groups = in.groups_of(*header);
    for (auto group = groups.rbegin(); group != groups.rend(); ++group) {
      auto span = in.with_blank_lines(in.lines_of(*group));
      way.erase(span.begin, span.end - span.begin);
    }
  }
  return adopt({way}, wanted, "removing a runner");
}

result<void, config_errc> config_text::append(const config_text& entry) {
  auto wanted = *parsed_;
  auto list = parsed_->list();
  const auto* one = entry.runners() == 1 ? entry.parsed_->runner(0) : nullptr;
  auto from = editor_of(entry.text_, entry.parsed_->list());
  auto header = one == nullptr ? std::nullopt : from.header_of(*one, 1);
  if (!header)
    return not_valid(entry.path_
                     + ": exactly one [[runners]] is expected, in this form");
  auto in = editor_of(text_, list);
  if (!list)
    wanted.root.insert("runners", toml::array{});
  auto* all = wanted.root.get(in.list_name)->as_array();
  all->push_back(*one);
  if (list && all->size() == 1) // an empty list, which is written as one
    return adopt({in.with_element(*parsed_->runners(), inline_text(*one))},
                 wanted, "adding a runner");
  if (list && in.is_inline(*parsed_->runner(0)))
    return adopt({in.with_element(*parsed_->runners(), inline_text(*one))},
                 wanted, "adding a runner");
  std::string block;
  for (auto group : from.groups_of(*header))
    block += from.renamed(group, in.list_name);
  if (!block.ends_with('\n'))
    block += from.line_break();
  std::string before = text_;
  if (!before.empty() && !before.ends_with('\n'))
    before += in.line_break();
  auto last = before.empty() ? 0 : line_begin(before, before.size() - 1);
  if (!before.empty() && !is_blank_line(before.substr(last)))
    before += in.line_break();
  return adopt(
    {before + with_line_breaks(block, in.line_break()), before + block}, wanted,
    "adding a runner");
}

} // namespace muster
