#include "actors/journal/database.hpp"

#include "actors/journal/state_folder.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

namespace muster {

namespace {

/// How long to wait for another program that looks at the file [ms].
constexpr int patience_ms = 2000;

bool is_damage(int code) {
  auto primary = code & 0xff;
  return primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB
         || primary == SQLITE_FORMAT;
}

std::string damaged_text(const std::string& path, const std::string& detail) {
  return fmt::format(
    "journal {} is damaged ({}): move it away (mv {} {}.damaged) and start "
    "again; jobs and instances written in it are then unknown, and GitLab "
    "times "
    "those jobs out",
    path, detail, path, path);
}

std::string advice(int code) {
  switch (code & 0xff) {
    case SQLITE_FULL:
      return "free space on its disk";
    case SQLITE_IOERR:
      return "see whether its disk is full or failing";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return "another program has it locked: end that one";
    default:
      return "check the rights of the file and its folder";
  }
}

} // namespace

// -- statement ----------------------------------------------------------------

void statement::finalizer::operator()(sqlite3_stmt* x) const {
  sqlite3_finalize(x);
}

statement::statement(sqlite3* in, const char* sql) {
  sqlite3_stmt* made = nullptr;
  sqlite3_prepare_v3(in, sql, -1, SQLITE_PREPARE_PERSISTENT, &made, nullptr);
  handle_.reset(made);
}

statement& statement::reset() {
  sqlite3_reset(handle_.get());
  sqlite3_clear_bindings(handle_.get());
  bound_ = 0;
  return *this;
}

statement& statement::bind(int64_t x) {
  sqlite3_bind_int64(handle_.get(), ++bound_, x);
  return *this;
}

statement& statement::bind(std::string_view x) {
  // A null pointer would be bound as NULL: an empty text is a text.
  sqlite3_bind_text64(handle_.get(), ++bound_, x.empty() ? "" : x.data(),
                      x.size(), SQLITE_STATIC, SQLITE_UTF8);
  return *this;
}

statement& statement::bind_blob(std::string_view x) {
  sqlite3_bind_blob64(handle_.get(), ++bound_, x.empty() ? "" : x.data(),
                      x.size(), SQLITE_STATIC);
  return *this;
}

int statement::step() {
  return sqlite3_step(handle_.get());
}

int64_t statement::integer(int column) const {
  return sqlite3_column_int64(handle_.get(), column);
}

std::string statement::text(int column) const {
  const auto* bytes
    = static_cast<const char*>(sqlite3_column_blob(handle_.get(), column));
  auto size = sqlite3_column_bytes(handle_.get(), column);
  return bytes == nullptr ? std::string{}
                          : std::string(bytes, static_cast<size_t>(size));
}

// -- database -----------------------------------------------------------------

void database::closer::operator()(sqlite3* x) const {
  sqlite3_close_v2(x);
}

result<database, journal_errc> database::open(const std::string& path) {
  // Made beforehand, for its mode: SQLite gives that of the database to the
  // files beside it.
  if (auto made = prepare_private_file(path); !made)
    return tl::unexpected{made.error()};
  database result;
  result.path_ = path;
  sqlite3* opened = nullptr;
  auto code = sqlite3_open_v2(path.c_str(), &opened,
                              SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX
                                | SQLITE_OPEN_EXRESCODE,
                              nullptr);
  result.handle_.reset(opened);
  if (code != SQLITE_OK)
    return tl::unexpected{result.last_failure()};
  sqlite3_busy_timeout(opened, patience_ms);
  if (sqlite3_db_readonly(opened, "main") == 1)
    return fail(journal_errc::not_writable,
                fmt::format("journal {} can only be read: {}", path,
                            advice(SQLITE_READONLY)));
  if (auto whole = result.check(); !whole)
    return tl::unexpected{whole.error()};
  auto ready = result.run("PRAGMA journal_mode = WAL;"
                          "PRAGMA synchronous = NORMAL;"
                          "PRAGMA cache_size = -512;"
                          "PRAGMA journal_size_limit = 4194304;");
  if (!ready)
    return tl::unexpected{ready.error()};
  return result;
}

result<void, journal_errc> database::check() {
  auto question = prepare("PRAGMA quick_check(1)");
  if (!question)
    return tl::unexpected{question.error()};
  if (question->step() != SQLITE_ROW)
    return tl::unexpected{last_failure()};
  if (auto answer = question->text(0); answer != "ok")
    return fail(journal_errc::not_readable, damaged_text(path_, answer));
  return {};
}

result<void, journal_errc> database::run(const char* sql) {
  if (sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK)
    return tl::unexpected{last_failure()};
  return {};
}

result<void, journal_errc> database::run(statement& what) {
  auto code = what.step();
  while (code == SQLITE_ROW)
    code = what.step();
  // Told before `reset`, which would be the last call then.
  result<void, journal_errc> done;
  if (code != SQLITE_DONE)
    done = tl::unexpected{last_failure()};
  what.reset();
  return done;
}

result<statement, journal_errc> database::prepare(const char* sql) {
  statement made{handle_.get(), sql};
  if (!made.is_valid())
    return tl::unexpected{last_failure()};
  return made;
}

result<int64_t, journal_errc> database::number(const char* sql) {
  auto question = prepare(sql);
  if (!question)
    return tl::unexpected{question.error()};
  auto code = question->step();
  if (code != SQLITE_ROW && code != SQLITE_DONE)
    return tl::unexpected{last_failure()};
  return code == SQLITE_ROW ? question->integer(0) : 0;
}

failure<journal_errc> database::last_failure() const {
  auto code = handle_ ? sqlite3_extended_errcode(handle_.get()) : SQLITE_NOMEM;
  std::string text = handle_ ? sqlite3_errmsg(handle_.get()) : "out of memory";
  if (is_damage(code))
    return {journal_errc::not_readable, damaged_text(path_, text)};
  return {journal_errc::not_writable,
          fmt::format("cannot write the journal {}: {} (SQLite {}); {}", path_,
                      text, code, advice(code))};
}

int64_t database::changes() const {
  return sqlite3_changes64(handle_.get());
}

bool database::in_transaction() const {
  return sqlite3_get_autocommit(handle_.get()) == 0;
}

} // namespace muster
