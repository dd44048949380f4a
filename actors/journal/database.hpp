#pragma once

#include "messages/error_codes.hpp"
#include "messages/result.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace muster {

/// A prepared statement, used again and again. Parameters and columns are given
/// in order. Text and blobs that are bound must live until `run` or the last
/// `next`.
class statement {
public:
  statement() = default;
  statement(sqlite3* in, const char* sql);

  /// Whether it could be prepared.
  bool is_valid() const {
    return handle_ != nullptr;
  }

  /// Starts anew: forgets the row and the parameters of the last time.
  statement& reset();

  statement& bind(int64_t x);
  statement& bind(std::string_view x);
  statement& bind_blob(std::string_view x);

  /// Goes to the next row, or to the end. Returns SQLite's code: `SQLITE_ROW`,
  /// `SQLITE_DONE` or a failure.
  int step();

  int64_t integer(int column) const;
  std::string text(int column) const; ///< also of a blob

private:
  struct finalizer {
    void operator()(sqlite3_stmt* x) const;
  };

  std::unique_ptr<sqlite3_stmt, finalizer> handle_;
  int bound_ = 0;
};

/// An open SQLite database of ours; used from one thread.
class database {
public:
  /// Opens a file in WAL mode and checks that it is whole.
  ///
  /// Errors: `not_readable` if it is damaged or no database, `not_writable` if
  /// it cannot be written.
  static result<database, journal_errc> open(const std::string& path);

  /// Runs statements that give no rows.
  result<void, journal_errc> run(const char* sql);

  /// Runs a prepared statement to its end and makes it ready for the next time.
  result<void, journal_errc> run(statement& what);

  /// Prepares a statement.
  result<statement, journal_errc> prepare(const char* sql);

  /// Reads the first column of the first row; 0 if there is none.
  result<int64_t, journal_errc> number(const char* sql);

  /// Rows that the last statement changed.
  int64_t changes() const;

  /// What went wrong last, as a failure that says what to do.
  failure<journal_errc> last_failure() const;

  /// Whether a transaction is open: SQLite ends it by itself on a full disk.
  bool in_transaction() const;

  const std::string& path() const {
    return path_;
  }

private:
  struct closer {
    void operator()(sqlite3* x) const;
  };

  result<void, journal_errc> check();

  std::string path_;
  std::unique_ptr<sqlite3, closer> handle_;
};

} // namespace muster
