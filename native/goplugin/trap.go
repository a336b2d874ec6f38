package goplugin

import (
	"fmt"
	"runtime"
	"strings"

	"berth/host"
)

// The bounds of what is told of a panic.
const (
	maxFrames = 5
	maxPanic  = 1 << 10 // bytes of its text
)

// trapOf makes an error of what recover returned. It is called by the deferred
// function that recovered. The text of the panic comes from the plugin: a method
// that makes it may panic, too.
func trapOf(fault any) error {
	return host.Fail(host.CodeTrap, "panic: %s%s", panicText(fault), frames())
}

func panicText(fault any) (text string) {
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf("(%T)", fault)
		}
	}()
	if text = fmt.Sprint(fault); len(text) > maxPanic {
		text = strings.ToValidUTF8(text[:maxPanic], "") + "…"
	}
	return text
}

// frames are the innermost functions that were running when the panic began.
func frames() string {
	pcs := make([]uintptr, 64)
	walk := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	var text []string
	panicking := false
	for more := true; more && len(text) < maxFrames; {
		var frame runtime.Frame
		frame, more = walk.Next()
		switch own := strings.HasPrefix(frame.Function, "berth/"); {
		case strings.HasPrefix(frame.Function, "runtime."):
			panicking = panicking || strings.Contains(frame.Function, "panic")
		case panicking && own:
			more = false // what called the plugin
		case panicking:
			text = append(text, fmt.Sprintf("%s (%s:%d)", frame.Function, base(frame.File), frame.Line))
		}
	}
	if len(text) == 0 {
		return ""
	}
	return " in " + strings.Join(text, ", called by ")
}

func base(file string) string { return file[strings.LastIndexByte(file, '/')+1:] }
