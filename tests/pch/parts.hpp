// Precompiled: what most tests include.
#include "executors/pch/json.hpp"

#include <chrono>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <httplib.h>
#include <thread>
