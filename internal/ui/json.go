package ui

import (
	"bytes"
	"encoding/json"

	"starling/internal/event"
)

// appendJSON adds one event and a line feed. Control characters are escaped by JSON itself; bytes that are no UTF-8
// become U+FFFD.
func appendJSON(b *bytes.Buffer, e event.Event) {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	// An Event has no field that can fail to encode but a time outside of the years 0 to 9999.
	if err := enc.Encode(e); err != nil {
		e.Time = e.Time.AddDate(-e.Time.Year(), 0, 0)
		enc.Encode(e)
	}
}
