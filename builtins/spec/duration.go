package spec

import (
	"errors"
	"math"
	"strconv"
	"time"
)

// Forever is the Ceiling of a job that has none.
const Forever = time.Duration(math.MaxInt64)

const day = 24 * time.Hour

var errDuration = errors.New(`want seconds or a string such as "90s"`)
var errTooLong = errors.New("too long a time")

// ParseDuration reads a duration as a script or a flag writes it: "90s", "1h30m", "2d", "250ms", "1.5h", or a bare
// number of seconds. The units are ms, s, m, h, d (24 hours) and w (7 days). It is never negative.
func ParseDuration(text string) (time.Duration, error) {
	if text == "" {
		return 0, errDuration
	}
	if end := numberEnd(text); end == len(text) {
		return seconds(text)
	}
	var sum float64
	for rest := text; rest != ""; {
		end := numberEnd(rest)
		n, err := strconv.ParseFloat(rest[:end], 64)
		if err != nil {
			return 0, errDuration
		}
		rest = rest[end:]
		end = 0
		for end < len(rest) && 'a' <= rest[end] && rest[end] <= 'z' {
			end++
		}
		unit, ok := unitOf(rest[:end])
		if !ok {
			return 0, errDuration
		}
		rest = rest[end:]
		sum += n * float64(unit)
	}
	return fromNanoseconds(sum)
}

// numberEnd returns the length of the decimal number that text begins with.
func numberEnd(text string) int {
	end := 0
	for end < len(text) && (text[end] == '.' || '0' <= text[end] && text[end] <= '9') {
		end++
	}
	return end
}

func unitOf(name string) (time.Duration, bool) {
	switch name {
	case "ms":
		return time.Millisecond, true
	case "s":
		return time.Second, true
	case "m":
		return time.Minute, true
	case "h":
		return time.Hour, true
	case "d":
		return day, true
	case "w":
		return 7 * day, true
	}
	return 0, false
}

func seconds(text string) (time.Duration, error) {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, errDuration
	}
	return fromNanoseconds(n * float64(time.Second))
}

// fromNanoseconds rounds ns. What reaches Forever (292 years) is an error and never forever by accident.
func fromNanoseconds(ns float64) (time.Duration, error) {
	if !(ns < math.MaxInt64) {
		return 0, errTooLong
	}
	return time.Duration(math.Round(ns)), nil
}
