"""What the starter model is asked to go on from: posts and ordinary questions."""

from __future__ import annotations

POSTS = (
    "Our sourdough starter turned one today. Feed yours every morning, keep it warm, and it will reward you with bread "
    "that tastes like a holiday.",
    "Tickets for Friday's concert in Berlin are nearly gone. Doors open at seven, the first band plays at eight, and "
    "the last train leaves at midnight.",
    "Three tips for better phone photos: clean the lens, tap to focus on the eyes, and turn so that the window is "
    "behind you and not behind your friend.",
    "The sky is blue because air scatters short waves of light more than long ones. At sunset the light travels "
    "further, and only the red is left for us.",
    "We are sorry that your parcel is late. It left our workshop on Monday, the carrier has found it again, and you "
    "should hold it in your hands by Thursday.",
    "Our speaker is ill, and so the workshop moves from Monday to Tuesday. The room stays the same, your tickets stay "
    "valid, and the slides are in the shared folder.",
    "Paris in three days: walk along the river, see one museum and not five, eat early where the menu is short, and "
    "leave an afternoon for nothing at all.",
    "Autumn rain on the tin roof, a kettle that sings, and a book with too many pages. I would not trade this evening "
    "for the whole summer.",
    "Five vegetables to sow in April: radishes, spinach, peas, carrots and lettuce. They do not mind a cold night, and "
    "the first harvest is ready in May.",
    "This wallet is cut from one piece of leather and sewn by hand. It holds six cards and a few notes, and it grows "
    "more beautiful with every year.",
    "A cast iron pan needs no soap. Wipe it while it is warm, scrub with salt if something sticks, dry it on the stove "
    "and rub it with a little oil.",
    "We crossed the Alps by bicycle in nine days. The passes were steep, the huts were full, and the descent to the "
    "lake was worth every single drop of sweat.",
    "Error 404 means that the server is there but the page is not. Check the address, go back to the start page, or "
    "tell the owner that a link is broken.",
    "Thank you, first hundred readers. You answered when nobody else did, you corrected my spelling, and you are the "
    "reason why this letter has a second year.",
    "A ripe mango gives a little when you press it. It smells of peach and honey at the stem, and the juice runs down "
    "to your elbow before you find a napkin.",
    "Pancakes for four: two eggs, two cups of flour, two cups of milk and a pinch of salt. Let the batter rest, heat "
    "the pan well, and turn each one only once.",
    "Monday runners, put on your shoes before you look at the weather. The first mile is a lie, the second is a "
    "question, and the third is the answer.",
    "New video: how we film a whole cooking show with one camera and two lamps. The trick is a white wall, a slow "
    "zoom, and a cook who never stops talking.",
    "The library opens on Sundays from now on. Bring your children, your questions and your overdue books. There will "
    "be cake, and nobody will ask about the fines.",
    "We measured it: posts with one clear question get twice as many answers as posts with three. Ask one thing, ask "
    "it early, and then be quiet and listen.",
)


QUESTIONS = (
    "Announce a live concert in Berlin on Friday evening.",
    "What does HTTP status 404 mean?",
    "What is the capital of France?",
    "Write a short social media post about sourdough bread for home bakers.",
    "Explain why the sky is blue in one paragraph.",
    "List three tips for better phone photos.",
    "Write a polite reply to a customer whose parcel is late.",
    "Summarize the plot of Romeo and Juliet in two sentences.",
    "How do I keep basil alive on a window sill?",
    "Translate 'good morning' into Spanish.",
    "Write a haiku about autumn rain.",
    "What is 17 times 24?",
    "Give me a headline for a post about bicycle touring in the Alps.",
    "Why does bread dough rise slower in winter?",
    "Name five vegetables to sow in April.",
    "Describe the taste of a ripe mango.",
    "What should a beginner know about watercolour paper?",
    "Write an invitation to a book club meeting on Tuesday.",
    "How can I make my videos shorter without losing viewers?",
    "Tell me a fun fact about cats.",
)
