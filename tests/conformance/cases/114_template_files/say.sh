{% include 'head.txt' %}
echo "say {{ params.word }}, $HOW"
