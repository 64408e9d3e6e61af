// What is wrong with a picture in a page, in words: loaded into the browser by `geometry.test.ts`.

globalThis.measure = function measure() {
  const problems = [];
  const area = (element, name) => {
    const { left, right, top, bottom } = element.getBoundingClientRect();
    return { name, left, right, top, bottom };
  };
  const holds = (outer, inner, slack) =>
    inner.left >= outer.left - slack &&
    inner.right <= outer.right + slack &&
    inner.top >= outer.top - slack &&
    inner.bottom <= outer.bottom + slack;
  const apart = (a, b) => a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top;
  const idOf = (element) => element.getAttribute("data-id") ?? "";
  const paper = area(document.querySelector(".paper"), "the paper");

  const boxes = [...document.querySelectorAll("g.box")].map((box) => ({ box, face: area(box.querySelector(".face"), idOf(box)) }));
  boxes.forEach(({ box, face }, i) => {
    if (!holds(paper, face, 0)) problems.push(`${face.name} is off the paper`);
    for (const text of box.querySelectorAll("text")) {
      const written = area(text, text.textContent ?? "");
      if (written.right <= written.left) problems.push(`${written.name} isn't drawn`);
      if (!holds(face, written, 0)) problems.push(`\`${written.name}\` is wider than ${face.name}`);
    }
    for (const other of boxes.slice(i + 1)) if (!apart(face, other.face)) problems.push(`${face.name} lies on ${other.face.name}`);
  });
  const faces = new Map(boxes.map(({ face }) => [face.name, face]));

  const groups = [...document.querySelectorAll("g.group")].map((group) => {
    const frame = area(group.querySelector("rect"), idOf(group));
    const heading = area(document.querySelector(`[data-of="${CSS.escape(idOf(group))}"]`), `the heading of ${frame.name}`);
    if (!holds(frame, heading, 0)) problems.push(`${heading.name} is wider than its frame`);
    for (const { face } of boxes) {
      if (!apart(face, heading)) problems.push(`${heading.name} lies on ${face.name}`);
      if (!apart(face, frame) && !holds(frame, face, 0)) problems.push(`${face.name} lies across the frame of ${frame.name}`);
    }
    return frame;
  });
  groups.forEach((a, i) => {
    for (const b of groups.slice(i + 1))
      if (!apart(a, b) && !holds(a, b, 0) && !holds(b, a, 0)) problems.push(`${a.name} lies across ${b.name}`);
  });

  const distance = ({ left, right, top, bottom }, { x, y }) => {
    const outside = Math.hypot(Math.max(left - x, 0, x - right), Math.max(top - y, 0, y - bottom));
    return outside > 0 ? outside : Math.min(x - left, right - x, y - top, bottom - y);
  };
  const edges = [...document.querySelectorAll("g.edge")];
  const labels = [];
  for (const edge of edges) {
    const [from, to] = [edge.getAttribute("data-from"), edge.getAttribute("data-to")];
    const name = `${from} → ${to}`;
    const path = edge.querySelector(".line");
    const tip = edge.querySelector(".tip");
    const frame = path.ownerSVGElement.getBoundingClientRect();
    const onPage = ({ x, y }) => ({ x: x + frame.left, y: y + frame.top });
    const start = distance(faces.get(from), onPage(path.getPointAtLength(0)));
    const end = distance(faces.get(to), onPage(tip.getPointAtLength(0)));
    if (start > 2) problems.push(`${name} begins ${start.toFixed(1)} from its box`);
    if (end > 2) problems.push(`${name} ends ${end.toFixed(1)} from its box`);
    // The line itself, but for its ends, runs over no box.
    const length = path.getTotalLength();
    for (let at = 3; at < length - 3; at += 4) {
      const point = onPage(path.getPointAtLength(at));
      const under = boxes.find(
        ({ face }) => point.x > face.left + 2 && point.x < face.right - 2 && point.y > face.top + 2 && point.y < face.bottom - 2,
      );
      if (!under) continue;
      problems.push(`${name} runs over ${under.face.name}`);
      break;
    }
    const label = edge.querySelector("text");
    if (label) labels.push(area(label, `the label \`${label.textContent}\` of ${name}`));
  }
  labels.forEach((label, i) => {
    if (!holds(paper, label, 0)) problems.push(`${label.name} is off the paper`);
    for (const { face } of boxes) if (!apart(face, label)) problems.push(`${label.name} lies on ${face.name}`);
    for (const other of labels.slice(i + 1)) if (!apart(other, label)) problems.push(`${label.name} lies on ${other.name}`);
  });
  for (const text of document.querySelectorAll("svg > text:not(.heading)"))
    if (!holds(paper, area(text, ""), 0)) problems.push(`\`${text.textContent}\` is off the paper`);
  return { boxes: boxes.length, edges: edges.length, problems };
};
