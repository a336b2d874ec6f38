// A plugin in C++: objects are instances of a class, and nothing throws out of it.
#include <map>
#include <new>
#include <string>

#include "berth_plugin.h"

namespace {

class Counter {
    std::map<std::string, int> seen;

  public:
    int add(const std::string &key) {
        if (key.empty()) throw std::string("an empty key");
        return ++seen[key];
    }
};

int32_t open(berth_call *call, void **self) {
    if (!(*self = new (std::nothrow) Counter)) return berth_fail(call, "out of memory");
    return BERTH_OK;
}

void close(void *self) { delete static_cast<Counter *>(self); }

int32_t count(void *self, berth_call *call) {
    try {
        std::string key(reinterpret_cast<const char *>(call->in), call->in_length);
        return berth_printf(call, "%d", static_cast<Counter *>(self)->add(key));
    } catch (const std::string &what) {
        return berth_invalid(call, "%s", what.c_str());
    }
}

const berth_function functions[] = {{"count", count, BERTH_RAW, 0}};

} // namespace

BERTH_EXPORT const berth_plugin berth_plugin_v1 = {
    BERTH_ABI, sizeof(berth_plugin), "counter", "v1.0.0", BERTH_OBJECT, open, close, functions, 1, nullptr, 0, nullptr, 0};
