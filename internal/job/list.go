package job

import (
	"context"

	"starling/internal/wire"
)

// List returns every job that the host itself knows, whichever controller started it, in the order of their ids.
func (h *Host) List(ctx context.Context) ([]Result, error) {
	if err := h.enter(ctx, begin); err != nil {
		return nil, err
	}
	defer h.leave()
	facts, err := h.facts(ctx)
	if err != nil {
		return nil, err
	}
	request := wire.List{Base: facts.Base}
	frames, err := h.exchange(ctx, request, answerTimeout)
	if err != nil {
		return nil, err
	}
	listed, err := wire.DecodeList(frames, request)
	if err != nil {
		return nil, h.garbled(err)
	}
	var results []Result
	for _, f := range listed.Jobs {
		if f.Gone {
			continue
		}
		r, err := h.result(ctx, Record{ID: f.ID, Base: facts.Base, Target: h.target, Become: h.become}, f, listed.Identity)
		if err == nil {
			results = append(results, r)
		}
	}
	return results, nil
}
